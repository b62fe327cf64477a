"""A service that has all of its requests answered by the one with the streams."""

from __future__ import annotations

from unixsvc import App

app = App([], mounts=dict.fromkeys(("/count", "/tick", "/fail", "/named", "/seen"), "streaming"))
