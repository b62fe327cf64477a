"""What a connection remembers of its client: tokens, and the memory that its requests take."""

from __future__ import annotations

from typing import Protocol

from unixsvc.domain.message import Caller
from unixsvc.errors import Incomplete, ServiceError, Unavailable
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.server.parser import RequestParser
from unixsvc.security.buffer_budget import BufferBudget, Room
from unixsvc.security.tokens import MAX_WRONG_TOKENS

__all__ = ["AccountedConnection", "ClientAccount"]


class AccountedConnection(Protocol):
    """A connection, as its account sees it.

    :ivar persistent: false to close the connection after the current response.
    """

    persistent: int  # as twisted.web declares it

    @property
    def busy(self) -> bool:
        """True while a request is processed, or waits for its turn."""

    @property
    def incoming(self) -> IncomingBody | None:
        """The body of the current request, if its action reads it while it arrives."""

    def update_reading(self) -> None:
        """Read on, or stop to read."""

    def refuse(self, error: ServiceError) -> None:
        """Send an error response and close."""

    def abort(self) -> None:
        """Close now."""


class ClientAccount:
    """Counts wrong tokens, and the bytes that the worker holds for one connection (a BufferHolder).

    Each request shows its token again, and a body is received before the token is checked: so the bytes of
    all connections are counted.

    :param parser: holds what was received.
    :ivar authenticated: a request has shown a valid token.
    :ivar body: the length of the body of the request that is processed.
    :ivar counted: the number of bytes that the budget counts.
    :ivar has_room: the budget allows to read on.
    """

    __slots__ = (
        "_budget",
        "_connection",
        "_parser",
        "_undecided",
        "_wrong_tokens",
        "authenticated",
        "body",
        "counted",
        "has_room",
    )

    def __init__(self, connection: AccountedConnection, parser: RequestParser, budget: BufferBudget) -> None:
        self._connection = connection
        self._parser = parser
        self._budget = budget
        self.body = 0
        self._wrong_tokens = 0
        self._undecided: Caller | None = None
        self.authenticated = False
        self.counted = 0
        self.has_room = True

    def token_shown(self, caller: Caller) -> None:
        """Note the result of a request with a token: the fifth wrong one ends the connection.

        A token that is not one of the service is refused later, or never, as it may be that of a user. It is
        counted with the next request then.
        """
        undecided, self._undecided = self._undecided, None
        if undecided is not None and undecided.wrong_tokens:
            self._count_wrong_token()
        if caller.grant is not None:
            self.authenticated = True
        elif caller.wrong_tokens:
            self._count_wrong_token()
        else:
            self._undecided = caller

    def _count_wrong_token(self) -> None:
        self._wrong_tokens += 1
        if self._wrong_tokens >= MAX_WRONG_TOKENS:
            self._connection.persistent = False

    def body_received(self, size: int) -> None:
        """Count the body of the request that is processed from now on.

        :raises Unavailable: if there is no room for it, and it was not counted while it arrived.
        """
        if size > self.counted and not self._budget.has_room(size - self.counted):
            raise Unavailable
        self.body = size

    def request_done(self) -> None:
        """The body is no longer held."""
        self.body = 0
        self.update()

    def update(self) -> None:
        """Count what is held now."""
        size = self._parser.held + self.body
        if size == self.counted:
            return
        self.counted = size
        if not size:
            self.has_room = True  # the budget forgets the connection
        room = self._budget.hold(self, size)
        if room is Room.LATER:
            self.has_room = False
        elif room is Room.NONE and self._connection.busy:
            self._connection.abort()
        elif room is Room.NONE:
            self._connection.refuse(Unavailable())

    def close(self) -> None:
        """Nothing is held any more: the connection is lost."""
        self.counted = 0
        self._budget.hold(self, 0)
        del self._connection  # a cycle would keep both until the garbage collector finds them

    # What the budget calls.

    @property
    def delayed(self) -> bool:
        """True while the server processes a request, and does not wait for the rest of its body."""
        incoming = self._connection.incoming
        return self._connection.busy and not (incoming is not None and incoming.awaited)

    def resume_reading(self) -> None:
        """Read on, as the budget has room again."""
        self.has_room = True
        self._connection.update_reading()

    def expire(self) -> None:
        """Refuse the client: it keeps others waiting."""
        self._connection.refuse(Incomplete())
