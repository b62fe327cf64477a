"""The data that all peers serve."""

from __future__ import annotations

__all__ = ["show"]

_USERS = {number: {"id": number, "name": f"user {number}"} for number in range(1, 101)}


def show(number: int) -> dict[str, object]:
    """One user.

    :raises KeyError: if there is none.
    """
    return {**_USERS[number]}
