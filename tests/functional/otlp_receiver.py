"""A collector: receives spans with OTLP over HTTP, decoded with the protobufs of OpenTelemetry."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct

__all__ = ["OtlpReceiver", "ReceivedSpan"]

_KINDS = ("", "internal", "server", "client")


class ReceivedSpan(Struct, frozen=True):
    """A span.

    :ivar service: the ``service.name`` of its resource.
    :ivar parent: the id of its parent; empty without one.
    :ivar error: whether its status is an error.
    :ivar events: their names, with their attributes.
    :ivar links: the ids of spans.
    """

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    attributes: dict[str, Any]
    error: bool
    events: list[tuple[str, dict[str, Any]]]
    links: list[str]


class OtlpReceiver:
    """Listens on a free port of 127.0.0.1.

    :param code: the status of each response.
    :ivar spans: those received so far.
    :ivar headers: those of the last request.
    """

    def __init__(self, code: int = 200) -> None:
        self.spans: list[ReceivedSpan] = []
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers = {name.lower(): value for name, value in self.headers.items()}
                if code == 200:
                    receiver.spans += _decode(body)
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def named(self, name: str) -> ReceivedSpan:
        """The only span with a name."""
        [found] = [each for each in self.spans if each.name == name]
        return found


def _decode(body: bytes) -> list[ReceivedSpan]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return [
        _span(_values(resource.resource.attributes)["service.name"], span)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(service: str, span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        service,
        span.name,
        _KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        _values(span.attributes),
        span.status.code == 2,
        [(each.name, _values(each.attributes)) for each in span.events],
        [each.span_id.hex() for each in span.links],
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
