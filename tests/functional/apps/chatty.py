"""An application that prints."""

from __future__ import annotations

import sys

from unixsvc import GET, App

print("imported")  # noqa: T201


def hello() -> str:
    """Print to both streams."""
    print("on standard output")  # noqa: T201
    print("on standard error", file=sys.stderr)  # noqa: T201
    return "hello"


app = App([GET("/", hello)])
