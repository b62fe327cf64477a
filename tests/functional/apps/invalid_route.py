"""An application with an invalid route table."""

from __future__ import annotations

from unixsvc import GET, App


def show(number: int) -> int:
    """An action whose path has no such variable."""
    return number


app = App([GET("/item/{id:int}", show)])
