"""An application that shows which modules its worker has loaded."""

from __future__ import annotations

import sys

from unixsvc import GET, App


def modules() -> list[str]:
    """The names of the loaded modules."""
    return sorted(sys.modules)


app = App([GET("/modules", modules)])
