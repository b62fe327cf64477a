"""An application that can be imported until a file ``doomed`` is beside it."""

import os
from pathlib import Path

from unixsvc import GET, App

_DOOM = Path(__file__).with_name("doomed")

if _DOOM.exists():
    raise RuntimeError("doomed")


def pid() -> int:
    """Which process this is."""
    return os.getpid()


app = App(routes=[GET("/pid", pid)])
