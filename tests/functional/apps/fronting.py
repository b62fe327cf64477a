"""Services that mount others, which run on other hosts."""

from __future__ import annotations

from unixsvc import App

front = App([], mounts={"/item": "codes"})
