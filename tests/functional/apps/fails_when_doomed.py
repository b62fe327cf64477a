"""An application that can be imported until there is a file ``doomed`` beside it."""

import os
from pathlib import Path

from unixsvc import GET, App

_DOOM = Path(__file__).with_name("doomed")

if _DOOM.exists():
    raise RuntimeError("doomed")


def pid() -> int:
    """The pid of this process."""
    return os.getpid()


app = App(routes=[GET("/pid", pid)])
