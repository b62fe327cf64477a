"""A connection's messages: taken out of what has come, handed to the use case, some in each turn."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import UNSET

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Malformed, NotJSON, ServiceError, TooLarge, Unauthorized
from unixsvc.execution.action_driver import RunningAction
from unixsvc.security.tokens import MAX_WRONG_TOKENS
from unixsvc.server.lifecycle import ConnectionState
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.server.writer import ReplyWriter
from unixsvc.transport.peer import has_more
from unixsvc.wire.framing import MessageFramer
from unixsvc.wire.messages import ClientMessage, decode_client_message, find_id, is_oneway, to_request

__all__ = ["RequestReceiver"]

# So many messages of one client are served before the others have their turn.
_TURN: Final = 64
_IN_USE: Final = [{"field": "id", "message": "is that of an unanswered request"}]
# Compared with for each message, so they stand where they are found at once.
_CLOSING: Final = ConnectionState.CLOSING
_UNAUTHORIZED: Final = Unauthorized.code


class RequestReceiver(ReplyWriter):
    """The half of a connection that receives.

    :param clients: what all connections share.
    """

    def __init__(self, clients: ConnectionRegistry) -> None:
        super().__init__(clients.reactor)
        self._clients = clients
        self._handle = clients.handle
        self._caller = Caller()
        self._framer = MessageFramer(clients.limits.max_message_bytes)
        self._reading = True
        self._later = False  # messages that are here will be served in the next turn
        self._named = False  # the client has shown an id, so it can hear that it is to go

    def dataReceived(self, data: bytes) -> None:
        """Bytes have come."""
        if self._stage or self._full or self._later or self._unanswered.requests:
            if self._stage < _CLOSING:
                self._serve_all(data)
        elif self._framer.is_message(data):  # most often, with nothing else to think of
            self._serve(data)
            if self._stage or self._full:
                self._serve_all()
        else:
            self._serve_all(data)

    def _refuse(self, error: ServiceError) -> None:
        """Say what is wrong, and close."""
        raise NotImplementedError

    def _go_further(self) -> None:
        """Do what the way to the end demands by now."""
        raise NotImplementedError

    def _hold_or_read(self) -> None:
        """Read on only where what comes can be served."""
        raise NotImplementedError

    def _serve_all(self, data: bytes = b"") -> None:
        """Serve messages until there is none, or it is time to let others have their turn.

        :param data: what has arrived.
        """
        if self._full or self._stage >= _CLOSING or self._unanswered.crowded:
            self._framer.keep(data)
        else:
            try:
                messages = self._framer.take(_TURN, data)
            except TooLarge as error:
                self._refuse(error)
            else:
                self._gathering = len(messages) > 1
                if self._serve_each(messages):
                    self._served_all()
                self._gathering = False
                if self._gathered:
                    self._flush()
        if self._later or self._full or self._stage or self._unanswered.crowded or not self._reading:
            self._hold_or_read()
            if self._stage:
                self._go_further()

    def _serve_each(self, messages: list[bytes]) -> bool:
        """Serve them; false if there is more, for a later turn, or for none any more."""
        for at, message in enumerate(messages):
            if self._full or self._stage >= _CLOSING or self._unanswered.crowded:
                self._framer.put_back(messages[at:])
                return False
            self._serve(message)
        if self._framer.more:
            self._serve_later()
            return False
        return True

    def _served_all(self) -> None:
        """See whether what has come besides whole messages is one as well, or is the end."""
        if not self._framer.framed:
            self._serve_unframed()
        if self._stage and self._is_over():
            self._stage = _CLOSING

    def _is_over(self) -> bool:
        # What has been sent by now is served too, before nothing more is.
        ending = self._stage is ConnectionState.ENDING and not has_more(self.transport)
        return ending or self._stage is ConnectionState.ENDED

    def _serve_unframed(self) -> None:
        """The one-message exchange of the original system: no line end, no id, one reply, the end."""
        message = self._framer.unframed()
        if message is not None and find_id(message) is None:
            self._framer.rest()
            self._end = b""
            self._stage = _CLOSING
            self._serve(message)

    def _serve(self, message: bytes) -> None:
        try:
            wire = decode_client_message(message)
        except (NotJSON, Malformed) as error:
            self._serve_wrong(message, error)
            return
        self._served += 1
        name = wire.id
        if name is not None:
            self._named = True
        if wire.cancel or (wire.credit is not None and wire.path is UNSET):
            self._unanswered.steer(wire)
        elif name in self._unanswered.requests:
            if not wire.oneway:
                self._answer(name, error_to_reply(Malformed(_IN_USE)))
        else:
            request = to_request(wire, self._caller)
            answer = self._handle(request)
            if isinstance(answer, Reply):
                if not wire.oneway:
                    self._answer(name, answer)
                if answer.code == _UNAUTHORIZED and self._caller.wrong_tokens >= MAX_WRONG_TOKENS:
                    self._stage = ConnectionState.REFUSING
            else:
                self._wait(wire, request, answer)

    def _wait(
        self,
        wire: ClientMessage,
        request: Request,
        answer: ReplyStream | SuspendedCoroutine[Reply | ReplyStream],
    ) -> None:
        pending = self._unanswered.wait(wire)
        done = partial(self._done, pending)
        if isinstance(answer, ReplyStream):
            done(answer)
        else:
            seconds = self._handle.seconds_for(request)
            pending.running = RunningAction(answer, self._clients.reactor, seconds, done)

    def _serve_wrong(self, message: bytes, error: ServiceError) -> None:
        if not message.strip():
            return  # an empty line is nothing
        self._served += 1
        if isinstance(error, NotJSON):
            self._refuse(error)
            return
        name = find_id(message)
        self._named |= name is not None
        if not is_oneway(message):
            self._answer(name, error_to_reply(error))

    def _serve_later(self) -> None:
        if not self._later:
            self._later = True
            self._clients.reactor.callLater(0, self._serve_now)

    def _serve_now(self) -> None:
        self._later = False
        self._serve_all()
