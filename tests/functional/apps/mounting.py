"""A service that mounts the one with the streams for all paths."""

from __future__ import annotations

from unixsvc import App

app = App([], mounts=dict.fromkeys(("/count", "/tick", "/fail", "/named", "/seen"), "streaming"))
