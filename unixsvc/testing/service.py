"""An application as a service, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any, Final, Unpack, cast

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from unixsvc.client.base import ClientOptions
from unixsvc.client.calls import encode_data
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.twisted.client import Client
from unixsvc.config.settings import Limits, Security, ServiceSettings
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain import interfaces
from unixsvc.domain.json import Json
from unixsvc.domain.message import Request
from unixsvc.errors import Internal, error_from
from unixsvc.routing.app import App
from unixsvc.schedules.moment import Moment
from unixsvc.schedules.state import ScheduleStatus
from unixsvc.service.host import ServiceHost
from unixsvc.service.local_scheduler import LocalScheduler
from unixsvc.telemetry.log_record import LogRecord
from unixsvc.testing.call import Call
from unixsvc.testing.client import MemoryClient
from unixsvc.testing.host import LIMITS, TOKEN, MemoryHost
from unixsvc.testing.log import LogCapture
from unixsvc.typing import IServices
from unixsvc.wire.messages import ServerMessage, decode_server_message

__all__ = ["MemoryService", "MemoryStream", "services_in_memory"]

_numbers: Final = count(1)  # of the calls of all services


class MemoryStream:
    """The received items of a stream.

    :ivar items: decoded from JSON.
    :ivar ended: fires at the end; fails with the :class:`~unixsvc.errors.ServiceError` that ended the stream.
    """

    def __init__(self, service: MemoryService, number: int) -> None:
        self.items: list[Json] = []
        self.ended: Call[Json] = Call()
        self._service = service
        self._number = number

    def grant(self, items: int) -> None:
        """Grant credit for further items. They arrive in the next turn of the clock."""
        self._service._send(self._number, credit=items)

    def cancel(self) -> None:
        """Cancel the stream."""
        self._service._send(self._number, cancel=True)


class MemoryService:
    """An application as a service, with one client.

    The application starts at once. If its lifespan waits, calls wait for it.

    Requests are encoded and replies are decoded, as over a socket. A :class:`Call` that a method returns has
    fired already, unless the action waits: then it fires when ``clock`` is advanced, or when the event
    happens that the action waits for. It fails with the :class:`~unixsvc.errors.ServiceError` of the reply.
    The ``__cause__`` of an error with code 500 is what the action has raised.

    :param options: the options of the service, for its container.
    :param folder: the folder of the configuration.
    :param token: the token of the client; None to send none.
    :param limits: the limits of the service; without them, its client may be idle for any time.
    :param security: the security settings of the service.
    :param services: the other services that controllers call, by their names; or their ``IServices``.
        Without it, such calls fail.
    :param user: the user of all requests, instead of one whom the application authenticates; permissions and
        guards are checked all the same. None to authenticate.
    :param clock: a clock that the test has already.
    :ivar user: as the parameter; a test may set another one.
    :ivar clock: the reactor of the service, and the ``IReactorTime`` of actions.
    """

    def __init__(
        self,
        app: App,
        *,
        options: Mapping[str, object] | None = None,
        folder: str = ".",
        token: str | None = TOKEN,
        limits: Limits | None = None,
        security: Security | None = None,
        services: Mapping[str, MemoryService] | IServices | None = None,
        user: object = None,
        clock: Clock | None = None,
    ) -> None:
        settings = ServiceSettings("unixsvc.testing:MemoryService", options=dict(options or {}))
        self.user = user
        self.clock = clock or Clock()
        self._scheduler = LocalScheduler("memory", self.clock, self._now)
        self._token = token
        self._pending: dict[int, Call[Json]] = {}
        self._request_ids: dict[int, str] = {}
        self._causes: dict[str, BaseException] = {}
        self._capture = LogCapture()
        self._streams: dict[int, MemoryStream] = {}
        self._start_failure: Failure | None = None
        self._host = MemoryHost(
            app,
            settings,
            limits or LIMITS,
            security,
            folder=folder,
            clock=self.clock,
            acting_user=lambda: self.user,
            services=services_in_memory(services, self.clock),
            on_failure=self._action_failed,
        )
        self._host.when_started().addCallbacks(self._start, self._start_failed)

    @property
    def log(self) -> list[LogRecord]:
        """What was logged in this process since the service was made, until it is closed.

        By :mod:`logging` (from level INFO on, unless the test has chosen another) and :mod:`twisted.logger`.
        """
        return self._capture.records

    def get(self, path: str, /, **data: object) -> Call[Json]:
        """Make a call with the method GET."""
        return self.call("GET", path, data)

    def post(self, path: str, /, **data: object) -> Call[Json]:
        """Make a call with the method POST."""
        return self.call("POST", path, data)

    def put(self, path: str, /, **data: object) -> Call[Json]:
        """Make a call with the method PUT."""
        return self.call("PUT", path, data)

    def patch(self, path: str, /, **data: object) -> Call[Json]:
        """Make a call with the method PATCH."""
        return self.call("PATCH", path, data)

    def delete(self, path: str, /, **data: object) -> Call[Json]:
        """Make a call with the method DELETE."""
        return self.call("DELETE", path, data)

    def stream(self, path: str, credit: int | None = None, /, **data: object) -> MemoryStream:
        """Request a stream, with the method GET.

        Up to 64 items of a generator that does not wait arrive at once, and the others in the next turns of
        ``clock``.

        :param credit: how many items the service may send before more credit is granted; None for no limit.
        """
        number = len(self._pending) + 1
        self._streams[number] = stream = MemoryStream(self, number)
        options = {} if credit is None else {"credit": credit}
        self.call("GET", path, data, **options).chainDeferred(stream.ended)
        return stream

    def call(self, method: str, path: str, data: object, **envelope: object) -> Call[Json]:
        """Make a call.

        :param data: the arguments, by name; or the body, for an action that takes all of it.
        :param envelope: other fields of the message, such as ``timeout`` and ``meta``.
        :returns: fires with the result.
        """
        number = len(self._pending) + 1
        token = {} if self._token is None else {"auth_token": self._token}
        call: Call[Json] = Call(lambda _: self._send(number, cancel=True))
        self._pending[number] = call
        meta = envelope.get("meta", {})
        if isinstance(meta, dict):
            meta = {"request_id": f"test-{next(_numbers)}"} | meta
            self._request_ids[number] = meta["request_id"]
        message = {"method": method, "path": path, "data": encode_data(data)} | token | envelope
        self._send(number, **message | {"meta": meta})
        if self._start_failure is not None:
            call.errback(self._start_failure)
        return call

    def client(self, **options: Unpack[ClientOptions]) -> Client:
        """A real client that is connected to the service, on the same clock.

        :param options: of :class:`unixsvc.Client`, except for the location.
        """
        return MemoryClient(self._host.endpoint, Credentials(self._token), self.clock, **options)

    def schedules(self) -> tuple[ScheduleStatus, ...]:
        """The schedules of the application, as ``unixsvc status --json`` shows them.

        Their jobs run when ``clock`` is advanced. Its time 0 is the beginning of 1970, in UTC.
        """
        return self._scheduler.status()

    def close(self) -> Deferred[None]:
        """Drain the service, and close the connection.

        Other services that call it get :class:`~unixsvc.errors.Unavailable` from then on, at once.
        """
        self._scheduler.stop()
        closed: Deferred[None] = self._host.when_started().addCallbacks(self._close, _ignore)
        return closed.addBoth(self._end_log)

    def _now(self) -> Moment:
        seconds = self.clock.seconds()
        return Moment(seconds, seconds)

    def _start(self, host: ServiceHost) -> None:
        host.listen(probe=False)
        self._scheduler.start(host)
        self._connection, transport = self._host.endpoint.connect()
        transport.write = self._received  # type: ignore[method-assign] # a transport that only writes back

    def _close(self, host: ServiceHost) -> Deferred[None]:
        done = host.drain()
        self.clock.pump([1, 1])
        self._connection.connectionLost()
        return done

    def _end_log(self, result: object) -> Any:  # the result as it was, of any type
        self._capture.stop()
        return result

    def _start_failed(self, failure: Failure) -> None:
        self._start_failure = failure
        for call in self._pending.values():
            call.errback(failure)

    def _send(self, number: int, **message: object) -> None:
        data = msgspec.json.encode({"id": number} | message) + b"\n"
        self._host.run(lambda _: self._connection.dataReceived(data))

    def _action_failed(self, error: BaseException, request: Request) -> None:
        self._causes[request.request_id] = error

    def _received(self, data: bytes) -> None:
        for line in data.splitlines():
            reply = decode_server_message(line)
            if not reply.goaway:  # it is the test that has closed the service
                self._reply_received(reply)

    def _reply_received(self, reply: ServerMessage) -> None:
        if not isinstance(reply.id, int):
            raise TypeError(f"the reply has the id {reply.id!r}")
        if reply.more:
            self._streams[reply.id].items.append(msgspec.json.decode(reply.data))
        elif reply.failed:
            error = error_from(reply.code, reply.detail)
            if reply.code == Internal.code:
                error.__cause__ = self._causes.pop(self._request_ids.get(reply.id, ""), None)
            self._pending[reply.id].errback(error)
        else:
            self._pending[reply.id].callback(msgspec.json.decode(reply.data))


def services_in_memory(
    services: Mapping[str, MemoryService] | IServices | None, clock: Clock
) -> interfaces.IServices | None:
    """The other services, for the controllers of one on this clock."""
    if isinstance(services, Mapping):
        return ServiceClients("", "", clock, clock.seconds, partial(_client_of_other, services))
    return cast(interfaces.IServices | None, services)


def _ignore(failure: Failure) -> None:
    """An application that has not started need not be closed; the calls have its error."""


def _client_of_other(
    services: Mapping[str, MemoryService], name: str, *, reactor: IReactorTime, **location: str | None
) -> Client:
    """A client for the controllers of another service, on the clock of that service.

    :param location: of a socket, which there is not.
    """
    if name not in services:
        raise LookupError(f"{name!r}: pass it to MemoryService(..., services={{{name!r}: ...}})")
    other = services[name]
    return MemoryClient(other._host.endpoint, Credentials(other._token), reactor)
