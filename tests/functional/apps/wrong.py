"""An application whose route table cannot work."""

from __future__ import annotations

from unixsvc import GET, App


def show(number: int) -> int:
    """The path has no such variable."""
    return number


app = App([GET("/item/{id:int}", show)])
