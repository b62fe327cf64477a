"""An HTTP client for an application in memory, over the real gateway."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping, Sequence
from string import punctuation
from typing import Final, TypedDict, Unpack
from urllib.parse import quote, urlencode

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, ServiceSettings
from unixsvc.routing.app import App
from unixsvc.service.host import ServiceHost
from unixsvc.testing.call import Call, CallLoop, LoopClock
from unixsvc.testing.form import FileTuple, encode_form
from unixsvc.testing.host import TOKEN, MemoryHost
from unixsvc.testing.http_response import HttpResponse
from unixsvc.testing.memory import MemoryEndpoint, MemoryTransport
from unixsvc.testing.service import MemoryService, services_in_memory
from unixsvc.testing.websocket import MemoryWebSocket, handshake_headers
from unixsvc.typing import IServices

__all__ = ["HttpOptions", "HttpStream", "MemoryHttp", "RequestOptions"]

_HANDLER: Final = "unixsvc.rest.handler:HttpRequestHandler"


class RequestOptions(TypedDict, total=False):
    """The parts of a request besides its method and its path.

    :ivar params: the query string, as a dict.
    :ivar cookies: the values of cookies by name.
    :ivar json: the body, which is encoded as JSON.
    :ivar data: the fields of a form, instead of ``json``.
    :ivar files: files of a form, by field: tuples of a name, the content and, if given, the media type.
    :ivar content: the body, as bytes, instead of ``json``; with a ``Content-Type`` in ``headers``.
    """

    params: Mapping[str, object]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    json: object
    data: Mapping[str, str]
    files: Mapping[str, FileTuple | Sequence[FileTuple]]
    content: bytes


class _Connection(MemoryTransport):
    """The client's connection, for one request.

    :param on_close: called when the server has closed it.
    """

    def __init__(self, on_close: Callable[[], object]) -> None:
        super().__init__()
        self._on_close = on_close
        self._protocol: IProtocol | None = None

    def send(self, protocol: IProtocol, data: bytes) -> None:
        """Send a request to the server's protocol, which has this transport."""
        self._protocol = protocol
        protocol.dataReceived(data)

    def loseConnection(self) -> None:
        """Close."""
        super().loseConnection()
        self.disconnect()

    def abortConnection(self) -> None:
        """Close."""
        super().abortConnection()
        self.disconnect()

    def loseWriteConnection(self) -> None:
        """The server waits for the client to close after its last response."""
        super().loseWriteConnection()
        self.disconnect()

    def disconnect(self) -> None:
        """Close from either side."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionDone()))
            self._on_close()


class HttpStream:
    """A response that is being received.

    :ivar ended: fires with the whole response at its end.
    """

    def __init__(self, method: str) -> None:
        self.ended: Call[HttpResponse] = Call(lambda _: self.close())
        self._method = method
        self._connection = _Connection(self._closed)

    @property
    def response(self) -> HttpResponse:
        """The part that has been received; at least the headers, which may take a second of the clock.

        Before them, it raises ``http.client.HTTPException``.
        """
        return HttpResponse(self._connection.value(), self._method)

    def close(self) -> None:
        """Disconnect, which cancels the action."""
        self._connection.disconnect()

    def send(self, endpoint: MemoryEndpoint, data: bytes) -> None:
        """Send the request."""
        self._connection.send(endpoint.accept(self._connection), data)

    def _closed(self) -> None:
        if self.ended.called:  # it was cancelled
            return
        try:
            self.ended.callback(self.response)
        except http.client.HTTPException:
            self.ended.errback(ConnectionError("the connection was closed before the response"))


class HttpOptions(TypedDict, total=False):
    """The options of :class:`MemoryHttp`."""

    mounts: Mapping[str, str]
    http: Http
    options: Mapping[str, object]
    folder: str
    token: str | None
    limits: Limits
    services: Mapping[str, MemoryService] | IServices | None
    user: object


class MemoryHttp:
    """An HTTP client of an application, as ``[http]`` in the configuration would serve it, in memory.

    Requests go through the parser of HTTP, the checks and encoders of the gateway, and the route table. A
    :class:`Call` that a method returns has fired already, unless the action waits.

    :param mounts: services by path prefix, as in ``[http]``; they are those of ``services``.
    :param http: other settings of ``[http]``.
    :param options: the options of the application, for its container.
    :param folder: the folder of the configuration.
    :param token: the token that requests show, unless they have an ``Authorization`` header; None for none.
    :param limits: the limits of requests.
    :param services: the other services, by their names; or their ``IServices``.
    :param user: the user of all requests, instead of one whom the application authenticates; permissions and
        guards are checked all the same. None to authenticate.
    :param loop: of a fixture, for tests that run on no event loop.
    :ivar user: as the parameter; a test may set another one.
    :ivar clock: the reactor of the gateway, and the ``IReactorTime`` of actions.
    """

    def __init__(
        self,
        app: App,
        *,
        mounts: Mapping[str, str] | None = None,
        http: Http | None = None,
        options: Mapping[str, object] | None = None,
        folder: str = ".",
        token: str | None = TOKEN,
        limits: Limits | None = None,
        services: Mapping[str, MemoryService] | IServices | None = None,
        user: object = None,
        loop: CallLoop | None = None,
    ) -> None:
        http = http or Http()
        self.user = user
        self.clock = Clock() if loop is None else LoopClock(loop)
        self._loop = loop
        self._token = token
        self._streams: set[HttpStream] = set()
        self._sockets: set[MemoryWebSocket] = set()
        self._host = MemoryHost(
            app,
            ServiceSettings("unixsvc.testing:MemoryHttp", handler=_HANDLER, options=dict(options or {})),
            limits or Limits(),
            None,
            folder=folder,
            clock=self.clock,
            acting_user=lambda: self.user,
            services=services_in_memory(services, self.clock),
            http=msgspec.structs.replace(http, mounts={**http.mounts, **(mounts or {})}),
        )
        self._host.when_started().addCallbacks(lambda host: host.listen(probe=False), lambda _: None)

    def get(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method GET."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method HEAD."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request with the method DELETE."""
        return self.request("DELETE", path, **options)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Call[HttpResponse]:
        """Make a request.

        :returns: fires with the response, whatever its code.
        """
        return self.stream(method, path, **options).ended

    def stream(self, method: str, path: str, **options: Unpack[RequestOptions]) -> HttpStream:
        """Make a request whose response can be read while it is received."""
        stream = HttpStream(method)
        stream.ended.loop = self._loop
        self._streams.add(stream)
        stream.ended.addBoth(self._ended, stream)
        data = _encode(method, path, self._token, options)
        self._run(lambda: self._host.run(lambda _: stream.send(self._host.endpoint, data)))
        return stream

    def websocket(
        self, path: str, *, subprotocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> MemoryWebSocket:
        """Open a WebSocket; if the handshake is refused, its ``response`` and its ``error`` say why.

        :param subprotocols: those to offer, the preferred first.
        :param headers: further headers of the handshake.
        """
        socket = MemoryWebSocket(self._loop)
        self._sockets.add(socket)
        all_headers = handshake_headers(subprotocols, headers or {})
        data = _encode("GET", path, self._token, {"headers": all_headers})
        self._run(lambda: self._host.run(lambda _: socket.open(self._host.endpoint, data)))
        return socket

    def when_started(self) -> Deferred[ServiceHost]:
        """Fires when the lifespan of the application has been entered."""
        return self._host.when_started()

    def close(self) -> Deferred[None]:
        """Drain the gateway, and disconnect from it."""
        return self._host.when_started().addCallbacks(self._close, lambda _: None)

    def _close(self, host: ServiceHost) -> Deferred[None]:
        done = host.drain()
        for stream in list(self._streams):
            stream.ended.addErrback(lambda _: None)
            stream.close()
        self.clock.pump([1, 1])
        for socket in self._sockets:
            socket.disconnect()
        return done

    def _ended(self, result: HttpResponse | Failure, stream: HttpStream) -> HttpResponse | Failure:
        self._streams.remove(stream)
        return result

    def _run(self, function: Callable[[], None]) -> None:
        if self._loop is None:
            function()
        else:
            self._loop.run(function)


def _encode(method: str, path: str, token: str | None, options: RequestOptions) -> bytes:
    """The bytes of a request. Its connection is closed after the response, which shows where that ends."""
    headers = {"Host": "localhost", "Connection": "close"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = options.get("content", b"")
    if "files" in options:
        body, headers["Content-Type"] = encode_form(options.get("data", {}), options["files"])
    elif "json" in options:
        body, headers["Content-Type"] = msgspec.json.encode(options["json"]), "application/json"
    elif "data" in options:
        body = urlencode(options["data"]).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if body or method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body))
    if "cookies" in options:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in options["cookies"].items())
    given = options.get("headers", {})
    replaced = {name.lower() for name in given}
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced} | {**given}
    if "params" in options:
        path += ("&" if "?" in path else "?") + urlencode(options["params"], doseq=True)
    lines = [f"{method} {quote(path, safe=punctuation)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
