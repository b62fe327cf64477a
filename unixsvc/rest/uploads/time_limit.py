"""The time limit of an action whose body arrives while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

__all__ = ["UploadTimeLimit"]

# Longer than any upload: the connection limits the time that the client may take. In seconds.
_NO_LIMIT: Final = 1e6


class UploadTimeLimit:
    """Stops the time limit while the action waits for the client; it starts again when there are bytes.

    :param set_limit: replaces the limit, in seconds from now on.
    :param seconds: the limit of the service.
    :param timeout: the time that the client waits for the response, in seconds; None for any.
    """

    def __init__(
        self,
        set_limit: Callable[[float], object],
        reactor: IReactorTime,
        seconds: float,
        timeout: float | None,
    ) -> None:
        self._set_limit = set_limit
        self._reactor = reactor
        self._seconds = seconds
        self._deadline = _NO_LIMIT + reactor.seconds() if timeout is None else timeout + reactor.seconds()

    def __call__(self, waits: bool) -> None:
        """Note that the action begins or ends to wait for the client."""
        left = self._deadline - self._reactor.seconds()
        self._set_limit(left if waits else min(left, self._seconds))
