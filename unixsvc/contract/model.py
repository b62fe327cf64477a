"""The model of a contract: what a service returns for ``GET /-/routes``.

Services encode it; the command line, generated clients and OpenAPI documents decode it. A contract may come
from an older or a newer release or from another implementation: unknown fields are ignored, and most fields
have defaults. Schemas are JSON Schemas; their validity is not checked here.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.path_prefix import BUILTIN_PREFIX

__all__ = [
    "SCHEMA_REFERENCE",
    "BodyContract",
    "Contract",
    "ErrorContract",
    "MessageContract",
    "ParameterContract",
    "ResponseContract",
    "RouteContract",
    "UnavailableContract",
    "WebSocketContract",
    "referenced_schema",
]

SCHEMA_REFERENCE: Final = "#/schemas/"
"""The start of each ``$ref`` in a contract; the name of a schema follows."""


# The order of the fields is their order on the wire.
class ErrorContract(Struct, frozen=True):
    """An error that an action declares.

    :ivar message: the standard message of the code.
    :ivar description: the meaning of the error for this route.
    """

    code: int
    message: str = ""
    description: str = ""


class ParameterContract(Struct, frozen=True, kw_only=True):
    """A parameter that is neither in the path nor in the data.

    :ivar name: as clients write it.
    :ivar place: ``header``, ``cookie``, ``query`` or ``form``. Over a socket headers are in ``meta``.
    :ivar schema: of its values; None for a file.
    :ivar http_only: whether it exists over HTTP only.
    """

    name: str
    place: str
    required: bool = True
    schema: Json = None
    description: str = ""
    examples: list[Json] = []
    http_only: bool = False


class BodyContract(Struct, frozen=True, kw_only=True):
    """The body of a route that does not take an object.

    :ivar kind: the value of a :class:`~unixsvc.domain.body_spec.BodyKind`.
    :ivar media_types: those that are accepted; empty for any.
    """

    kind: str
    media_types: list[str] = []
    required: bool = True


class ResponseContract(Struct, frozen=True, kw_only=True):
    """The HTTP response of a route, where it is not 200 and JSON.

    :ivar status: 0 if the result decides.
    :ivar media_types: of the body; empty for JSON.
    :ivar headers: the descriptions of its header fields by name.
    :ivar redirects: whether the response is a redirect: ``never``, ``sometimes`` or ``always``.
    :ivar file: whether the body is a file, of which clients may request ranges.
    """

    status: int = 0
    media_types: list[str] = []
    headers: dict[str, str] = {}
    redirects: str = "never"
    file: bool = False


class MessageContract(Struct, frozen=True, kw_only=True):
    """The messages of a WebSocket in one direction.

    :ivar kinds: ``json``, ``text`` or ``binary``; both of the latter for either.
    :ivar schema: of JSON messages.
    """

    kinds: list[str]
    schema: Json = None


class WebSocketContract(Struct, frozen=True, kw_only=True):
    """A route that is a WebSocket.

    :ivar receives: the messages from the client.
    :ivar sends: the messages to the client.
    """

    receives: MessageContract
    sends: MessageContract


class RouteContract(Struct, frozen=True, kw_only=True):
    """One route.

    :ivar path: the whole path with its variables, as ``/user/{id:int}``.
    :ivar public: true if the route needs no token under the policy ``private``.
    :ivar errors: the declared errors, sorted by code.
    :ivar stream: true if the result is a stream; ``result`` is then the schema of an item.
    :ivar created: true if the action creates a resource.
    :ivar path_arguments: the schemas of the path variables by name.
    :ivar data: the schema of the data; None if the action takes no data.
    :ivar parameters: those that are neither in the path nor in the data.
    :ivar body: how the route takes the body; None for an object.
    :ivar response: the HTTP response; None for 200 and JSON.
    :ivar http_only: whether the route exists over HTTP only.
    :ivar sunset: when the route will be removed, in the format of ISO 8601; empty if that is not planned.
    :ivar websocket: the messages, if the route is a WebSocket.
    :ivar security: the ways to authenticate the user, as in OpenAPI; None without any.
    """

    method: str
    path: str
    title: str = ""
    description: str = ""
    public: bool = False
    deprecated: bool = False
    tags: list[str] = []
    errors: list[ErrorContract] = []
    meta: JsonObject = {}
    stream: bool = False
    created: bool = False
    path_arguments: JsonObject = {}
    data: Json = None
    result: Json = {}
    parameters: list[ParameterContract] = []
    body: BodyContract | None = None
    response: ResponseContract | None = None
    http_only: bool = False
    websocket: WebSocketContract | None = None
    security: list[dict[str, list[str]]] | None = None
    sunset: str = ""

    @property
    def file(self) -> bool:
        """Whether the result is a file."""
        return self.response is not None and self.response.file

    @property
    def builtin(self) -> bool:
        """True if the framework defines the route, not the application."""
        return self.path.startswith(f"{BUILTIN_PREFIX}/")


class Contract(Struct, frozen=True, kw_only=True):
    """The routes of one service.

    :ivar title: the title of the application.
    :ivar version: the version of the application.
    :ivar schemas: the schemas by name; a route refers to them with ``$ref``.
    :ivar security_schemes: the ways to authenticate users by name, as in OpenAPI.
    """

    title: str = ""
    version: str = ""
    routes: list[RouteContract]
    schemas: JsonObject = {}
    security_schemes: JsonObject = {}

    @property
    def application_routes(self) -> list[RouteContract]:
        """The routes without those that every service has."""
        return [route for route in self.routes if not route.builtin]


class UnavailableContract(Struct, frozen=True):
    """A mount whose service does not return its contract now.

    :ivar prefix: the prefix of the mounted paths.
    """

    prefix: str


def referenced_schema(schema: object) -> str:
    """Return the name of the schema to which a ``$ref`` refers; an empty string if there is no ``$ref``."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    return reference.removeprefix(SCHEMA_REFERENCE) if isinstance(reference, str) else ""
