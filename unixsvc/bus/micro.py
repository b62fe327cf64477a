"""A service as a NATS micro service, for programs that know nothing of circuits: ADR-32 of the NATS project.

https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress, IPushProducer

from unixsvc.bus.clock import LinkClock
from unixsvc.bus.connection import BusConnection, BusMessage
from unixsvc.bus.subjects import Subjects
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Grant, Peer
from unixsvc.errors import TooLarge
from unixsvc.server.interfaces import IServesCircuits
from unixsvc.transport.peer import SocketCaller
from unixsvc.wire.messages import encode_reply

__all__ = ["MicroInfo", "MicroService", "Subscription"]

_TYPE: Final = "io.nats.micro.v1"
_CALLER: Final = "nats"
_HEADERS: Final = 1024  # bytes, at most
_ERROR: Final = "Nats-Service-Error"


class MicroInfo(Struct, frozen=True):
    """What a micro service says about itself.

    :ivar name: of the service.
    :ivar id: of this worker, which no other one has.
    :ivar version: of unixsvc.
    :ivar metadata: ``host``, ``slot`` and ``pid``.
    """

    name: str
    id: str
    version: str
    metadata: dict[str, str]


class Subscription(Struct, frozen=True):
    """A subscription of a service besides those for circuits.

    :ivar received: called with the connection and the message.
    """

    subject: str
    queue: str
    received: Callable[[BusConnection, BusMessage], object]


class _Failure(Struct):
    """A reply that is an error."""

    status: str = ""
    code: int = 0
    message: str = ""


class MicroService:
    """Answers ``PING``, ``INFO`` and ``STATS``, and single requests with single replies.

    :param handler: serves requests.
    """

    def __init__(
        self,
        info: MicroInfo,
        subjects: Subjects,
        handler: IServesCircuits,
        clock: LinkClock,
    ) -> None:
        self._info = info
        self._subject = subjects.call(info.name)
        self._handler = handler
        self._now = clock.seconds
        self._call_soon = clock.call_soon
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._requests = self._errors = 0
        self._seconds = 0.0
        self._last_error = ""

    @property
    def subscriptions(self) -> list[Subscription]:
        """What the service subscribes to."""
        info = self._info
        answers = {"PING": self._ping, "INFO": self._described, "STATS": self._stats}
        found = [
            Subscription(f"$SRV.{verb}{rest}", "", partial(self._answer, answer))
            for verb, answer in answers.items()
            for rest in ("", f".{info.name}", f".{info.name}.{info.id}")
        ]
        return [*found, Subscription(self._subject, info.name, self._called)]

    def _answer(
        self, answer: Callable[[], dict[str, Any]], connection: BusConnection, message: BusMessage
    ) -> None:
        if message.reply:
            connection.publish(message.reply, msgspec.json.encode(answer()))

    def _about(self, kind: str) -> dict[str, Any]:
        return {"type": f"{_TYPE}.{kind}_response", **msgspec.to_builtins(self._info)}

    def _endpoint(self) -> dict[str, Any]:
        return {"name": "call", "subject": self._subject, "queue_group": self._info.name}

    def _ping(self) -> dict[str, Any]:
        return self._about("ping")

    def _described(self) -> dict[str, Any]:
        description = "a service of unixsvc: send a message of its protocol, as JSON"
        return {
            **self._about("info"),
            "description": description,
            "endpoints": [{**self._endpoint(), "metadata": {}}],
        }

    def _stats(self) -> dict[str, Any]:
        nanoseconds = round(self._seconds * 1e9)
        figures = {
            "num_requests": self._requests,
            "num_errors": self._errors,
            "last_error": self._last_error,
            "processing_time": nanoseconds,
            "average_processing_time": nanoseconds // max(self._requests, 1),
        }
        endpoints = [{**self._endpoint(), **figures}]
        return {**self._about("stats"), "started": self._started, "endpoints": endpoints}

    def _called(self, connection: BusConnection, message: BusMessage) -> None:
        caller = SocketCaller(known_peer=Peer(), trusted=True, admitted=True, grant=Grant(_CALLER))
        protocol = self._handler.make_protocol(caller)
        answer = partial(self._replied, connection, message.reply, self._now())
        # Not within its own calls, which go on with what connectionLost() takes away.
        transport = _SingleReply(answer, partial(self._call_soon, protocol.connectionLost))
        protocol.makeConnection(transport)
        protocol.dataReceived(message.data.replace(b"\n", b" "))  # JSON has line ends between tokens only
        if not transport.closed:
            protocol.readConnectionLost()  # the message is whole

    def _replied(self, connection: BusConnection, subject: str, started: float, reply: bytes) -> None:
        limit = connection.max_payload - _HEADERS
        if len(reply) > limit:
            reply = encode_reply(None, error_to_reply(TooLarge(limit)))
        self._requests += 1
        self._seconds += self._now() - started
        failure = _failure_of(reply)
        headers = None
        if failure is not None:
            self._errors += 1
            self._last_error = f"{failure.code}:{failure.message}"
            headers = {_ERROR: failure.message, f"{_ERROR}-Code": str(failure.code)}
        if subject:
            connection.publish(subject, reply, headers=headers)


def _failure_of(reply: bytes) -> _Failure | None:
    if b'"status":"error"' not in reply[:200]:
        return None
    try:
        failure = msgspec.json.decode(reply, type=_Failure)
    except msgspec.DecodeError:
        return None
    return failure if failure.status == "error" else None


class _SingleReply:
    """The transport of one request: what is written is the reply.

    :param answer: called with the reply.
    :param lost: called when the protocol closes.
    """

    connection = None
    secure = False
    disconnecting = False

    def __init__(self, answer: Callable[[bytes], object], lost: Callable[[], object]) -> None:
        self._answer = answer
        self._lost = lost
        self.closed = False
        self._answered = False

    def write(self, data: bytes) -> None:
        """The reply."""
        if not self._answered:
            self._answered = True
            self._answer(data.rstrip(b"\n"))

    def loseConnection(self) -> None:
        """The request has ended."""
        if not self.closed:
            self.closed = True
            self._lost()

    def abortConnection(self) -> None:
        """The request has ended."""
        self.loseConnection()

    def loseWriteConnection(self) -> None:
        """The request has ended."""
        self.loseConnection()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Nothing: a reply is taken at once."""

    def unregisterProducer(self) -> None:
        """Nothing, as above."""

    def pauseProducing(self) -> None:
        """Nothing: there is one request."""

    def resumeProducing(self) -> None:
        """Nothing, as above."""

    def getPeer(self) -> IAddress:
        """The other side has no address."""
        return UNIXAddress(None)
