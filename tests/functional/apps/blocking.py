"""An action that blocks the event loop."""

from __future__ import annotations

import time

from unixsvc import GET, App


async def sleep(seconds: float) -> None:
    """Sleep in the event loop."""
    time.sleep(seconds)


app = App([GET("/sleep", sleep)])
