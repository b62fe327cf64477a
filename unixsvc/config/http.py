"""The HTTP settings: the table ``[http]`` and its endpoint strings."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.types import Count, NoLimit, Port, Seconds
from unixsvc.errors import ConfigError
from unixsvc.socket_directory import check_socket_path

__all__ = [
    "FORWARDED",
    "NEEDS_CERTIFICATE",
    "UNIX_PROXIES",
    "X_FORWARDED_FOR",
    "Cors",
    "Http",
    "Listen",
    "StaticFolder",
    "WebSockets",
    "parse_listen",
]

UNIX_PROXIES: Final = "unix"
"""Stands for all clients on Unix sockets in ``trusted_proxies``."""
NEEDS_CERTIFICATE: Final = " (client certificate)"
"""Follows an address, for people and commands, if clients without a certificate are refused there."""
X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"


class Cors(Struct, frozen=True, forbid_unknown_fields=True):
    """CORS: which pages of other origins may read responses in a browser; the table ``[http.cors]``.

    :ivar origins: allowed origins, as ``https://example.org``; ``*`` for all.
    :ivar methods: methods that such a page may use.
    :ivar headers: request headers that such a page may set.
    :ivar expose: response headers that such a page may read.
    :ivar credentials: whether such a page may send cookies and credentials; not with ``*``.
    :ivar max_age: how long a browser may cache a CORS preflight, in seconds.
    """

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: tuple[str, ...] = (
        "Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id", "X-Request-Timeout",
    )  # fmt: skip
    expose: tuple[str, ...] = ("ETag", "Location", "Retry-After", "X-Request-Id")
    credentials: bool = False
    max_age: Annotated[int, Meta(ge=0)] = 600


class StaticFolder(Struct, frozen=True, forbid_unknown_fields=True):
    """A folder whose files are served: a table ``[http.static."/PREFIX"]``. They are public.

    :ivar folder: the folder; relative to the configuration file.
    :ivar index: the file that a URL with a slash at its end stands for; empty for none.
    :ivar fallback: the page for paths without a file, where a browser asks for a page: the router of a
        single-page application is in the browser. Empty for none.
    :ivar max_age: how long browsers use a file without asking again, in seconds; pages are requested each
        time.
    :ivar immutable: patterns of files that never change, relative to the folder, as ``assets/*``: their names
        have a hash.
    :ivar precompressed: whether the copies ``.br``, ``.zst`` and ``.gz`` of a file are sent in its place.
    :ivar hidden_files: whether files and folders are served whose names begin with a dot.
    :ivar content_security_policy: that of each response; empty for none.
    """

    folder: str = ""
    index: str = "index.html"
    fallback: str = ""
    max_age: Annotated[int, Meta(ge=0, le=31_536_000)] = 0
    immutable: tuple[str, ...] = ()
    precompressed: bool = True
    hidden_files: bool = False
    content_security_policy: str = (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )


class WebSockets(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of WebSockets, for each worker; the table ``[http.websocket]``.

    :ivar max_connections: further handshakes are 503; 0 for half of ``max_connections`` or ``max_inflight``
        in ``[limits]``, whichever is less.
    :ivar max_message_bytes: maximum size of a message from a client, decompressed; 0 for that of
        ``[limits]``.
    :ivar ping_interval: a client that was silent for this time gets a ping, in seconds; 0 for never.
    :ivar ping_timeout: a client that does not answer a ping for this time is disconnected, in seconds.
    :ivar idle_timeout: a WebSocket on which the client sends no message for this time is closed, in seconds;
        0 for never.
    :ivar compression: whether messages are compressed (``permessage-deflate``) for clients that offer it.
    """

    max_connections: NoLimit = 0
    max_message_bytes: NoLimit = 0
    ping_interval: Annotated[float, Meta(ge=0)] = 20.0
    ping_timeout: Seconds = 20.0
    idle_timeout: Annotated[float, Meta(ge=0)] = 0.0
    compression: bool = False


class Http(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of the table ``[http]`` that other services do not have.

    :ivar listen: Twisted endpoint strings of the types ``tcp``, ``tcp6``, ``ssl`` and ``unix``.
    :ivar allowed_hosts: the host names of the server, ``*.example.org`` for all names below that one, ``*``
        for any. If empty, the loopback names are allowed on loopback addresses, and any elsewhere.
    :ivar trusted_proxies: addresses and networks of reverse proxies; ``unix`` for all on Unix sockets.
    :ivar proxy_header: the header in which those proxies report the client. The other one is ignored: proxies
        forward it as the client has sent it.
    :ivar forward_headers: request headers that mounted services get as ``meta``, in lower case.
    :ivar mounts: services by path prefix, as in :class:`unixsvc.App`.
    :ivar socket_dir: the socket directory of the mounted services, if another orchestrator runs them; empty
        for that of this one.
    :ivar token: ``private`` for routes that are not public, ``required`` for every request, or ``off``.
    :ivar docs: whether ``/docs`` and ``/openapi.json`` exist.
    :ivar cors: which pages of other origins may read responses in a browser.
    :ivar static: folders with files by path prefix.
    :ivar header_timeout: maximum time for a request head, from its first byte or the start of the connection,
        in seconds.
    :ivar send_timeout: a client that reads no byte of a response for this time is disconnected, in seconds.
    :ivar max_header_bytes: maximum size of a request head.
    :ivar upload_dir: the folder of temporary files of uploads; empty for that of the system.
    :ivar spool_over: the most bytes of the files of one form that stay in memory; further ones are written to
        ``upload_dir``.
    :ivar max_files: the most files of one form.
    :ivar websocket: the limits of WebSockets.
    :ivar gzip_over: larger responses are compressed for clients that accept it, in bytes; 0 for never.
    """

    listen: tuple[str, ...] = ("tcp:8080:interface=127.0.0.1",)
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    forward_headers: tuple[str, ...] = ()
    mounts: dict[str, str] = {}
    socket_dir: str = ""
    token: Literal["private", "required", "off"] = "private"
    docs: bool = True
    cors: Cors = Cors()
    static: dict[str, StaticFolder] = {}
    header_timeout: Seconds = 10.0
    send_timeout: Seconds = 30.0
    max_header_bytes: Annotated[int, Meta(ge=512, le=1_048_576)] = 16_384
    upload_dir: str = ""
    spool_over: Annotated[int, Meta(ge=0)] = 262_144
    max_files: Count = 100
    gzip_over: Annotated[int, Meta(ge=0)] = 1024
    websocket: WebSockets = WebSockets()


class Listen(Struct, frozen=True):
    """An address to listen on: a parsed endpoint string.

    :ivar kind: ``tcp``, ``tcp6``, ``ssl`` or ``unix``.
    :ivar port: for all types but ``unix``; 0 for any free port.
    :ivar interface: an address of this machine; empty for all of them.
    :ivar path: for ``unix``, absolute; ``mode`` is its file mode.
    :ivar backlog: connections that may wait to be accepted; None for the configured limit.
    :ivar private_key: for ``ssl``: a PEM file, as are ``certificate`` and ``chain``.
    :ivar chain: intermediate certificates, if any.
    :ivar client_authorities: for ``ssl``: a PEM file with the authorities (CAs) of client certificates; empty
        if clients present none.
    :ivar client_certificate: whether clients with such an authority must present a certificate.
    """

    kind: str
    port: Port = 0
    interface: str = ""
    path: str = ""
    mode: int = 0o660
    backlog: Count | None = None
    private_key: str = ""
    certificate: str = ""
    chain: str = ""
    client_authorities: str = ""
    client_certificate: Literal["required", "optional"] = "required"

    @property
    def needs_client_certificate(self) -> bool:
        """Whether clients without a certificate are refused."""
        return bool(self.client_authorities) and self.client_certificate == "required"

    @property
    def address(self) -> tuple[str, int] | str | None:
        """What only one socket can be bound to: interface and port, or a path; None for any free port."""
        if self.kind == "unix":
            return self.path
        return (self.interface or self._every, self.port) if self.port else None

    @property
    def _every(self) -> str:
        return "::" if self.kind == "tcp6" else "0.0.0.0"  # noqa: S104  # if configured

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        where = self.interface or self._every
        where = f"[{where}]" if ":" in where else where
        return f"{'https' if self.kind == 'ssl' else 'http'}://{where}:{self.port}"


class _Kind(Struct, frozen=True):
    """The parameters of one type of endpoint string.

    :ivar fields: the field of :class:`Listen` for each parameter; the name of the first may be left out.
    """

    fields: dict[str, str]
    required: tuple[str, ...]


_TCP: Final = _Kind({"port": "port", "interface": "interface", "backlog": "backlog"}, ("port",))
_SSL_FIELDS: Final = {
    "port": "port", "privateKey": "private_key", "certKey": "certificate", "extraCertChain": "chain",
    "clientCA": "client_authorities", "clientCert": "client_certificate", "interface": "interface",
    "backlog": "backlog",
}  # fmt: skip
_KINDS: Final[Mapping[str, _Kind]] = {
    "tcp": _TCP,
    "tcp6": _TCP,
    "ssl": _Kind(_SSL_FIELDS, ("port", "privateKey")),
    "unix": _Kind({"address": "path", "mode": "mode", "backlog": "backlog"}, ("address",)),
}
_FILE_FIELDS: Final = ("path", "private_key", "certificate", "chain", "client_authorities")
_PIECE: Final = re.compile(r"(?:[^:\\]|\\.)+|:|\\", re.DOTALL)
_NAMED: Final = re.compile(r"((?:[^=\\]|\\.)*)=(.*)", re.DOTALL)


def parse_listen(text: str, folder: str = ".") -> Listen:
    """Parse an endpoint string, as ``tcp:8080:interface=127.0.0.1``.

    Twisted's ``serverFromString`` makes an endpoint that binds and accepts in one process; here the
    orchestrator binds and the workers accept. It also takes every parameter without its name, so that the
    rest of a value with a colon becomes the value of another parameter; here only the first may be unnamed.

    :param folder: the base of relative paths.
    :raises ConfigError: for an invalid endpoint string, or a path that is too long for a socket.
    """
    name, *parameters = _split(text)
    if name not in _KINDS:
        raise ConfigError(repr(text), f"unknown endpoint type; there are: {', '.join(_KINDS)}")
    kind = _KINDS[name]
    values = _values(text, name, parameters)
    for parameter in kind.required:
        if kind.fields[parameter] not in values:
            raise ConfigError(repr(text), f"has no {parameter}")
    if name == "ssl":
        values.setdefault("certificate", values["private_key"])
    if "client_certificate" in values and "client_authorities" not in values:
        problem = "clientCert has no authority to verify certificates with"
        raise ConfigError(repr(text), problem, "add clientCA=FILE, or remove clientCert")
    for field in _FILE_FIELDS:
        if field in values:
            values[field] = os.path.normpath(os.path.join(folder, values[field]))
    if "path" in values:
        check_socket_path(values["path"])
    try:
        mode = int(values.pop("mode", "660"), 8)
        return msgspec.convert({"kind": name, "mode": mode, **values}, Listen, strict=False)
    except ValueError as error:  # msgspec.ValidationError is one too
        raise ConfigError(repr(text), f"is not valid: {error}") from None


def _split(text: str) -> list[str]:
    """The parts between colons that are not escaped; the escapes are kept."""
    parts = [""]
    for piece in _PIECE.findall(text):
        if piece == ":":
            parts.append("")
        elif piece == "\\":  # the last character
            raise ConfigError(repr(text), "ends with a backslash that escapes nothing", "remove or double it")
        else:
            parts[-1] = piece
    return parts


def _values(text: str, kind: str, parameters: list[str]) -> dict[str, str]:
    """The values of the parameters, by the field of :class:`Listen`."""
    fields = _KINDS[kind].fields
    values: dict[str, str] = {}
    named = [_NAMED.fullmatch(parameter) for parameter in parameters]
    for parameter, found in zip(parameters[1:], named[1:], strict=True):
        if found is None:
            problem = f"the parameter {parameter!r} has no name"
            raise ConfigError(repr(text), problem, _remedy(kind, parameters))
    for parameter, found in zip(parameters, named, strict=True):
        name = _unescape(found[1]) if found else next(iter(fields))
        if name not in fields:
            raise ConfigError(repr(text), f"unknown parameter {parameter!r}; there are: {', '.join(fields)}")
        if fields[name] in values:
            raise ConfigError(repr(text), f"has two values for {name}", "remove one of them")
        values[fields[name]] = _unescape(found[2] if found else parameter)
        if not values[fields[name]]:
            raise ConfigError(repr(text), f"{name} is empty", f"add a value, or remove {name!r}")
    return values


def _remedy(kind: str, parameters: list[str]) -> str:
    """How to write an endpoint string whose unnamed parameters are parts of the value before them."""
    escaped = kind
    for number, parameter in enumerate(parameters):
        escaped += rf"\:{parameter}" if number and _NAMED.fullmatch(parameter) is None else f":{parameter}"
    try:
        parse_listen(escaped)
    except ConfigError:
        return "write each parameter after the first as name=value, and a colon within a value as \\:"
    return f"write a colon within a value as \\: and the string in single quotes: '{escaped}'"


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
