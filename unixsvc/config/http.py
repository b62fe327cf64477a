"""What ``[http]`` may say: how a service answers over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.errors import ConfigError

__all__ = ["Cors", "Http", "Listen", "parse_listen"]

Seconds = Annotated[float, Meta(gt=0, le=1e6)]
Port = Annotated[int, Meta(ge=0, le=65_535)]


class Cors(Struct, frozen=True, forbid_unknown_fields=True):
    """Which pages of other origins a browser lets read what we answer.

    :ivar origins: as ``https://example.org``; ``*`` for all; none by default.
    :ivar methods: that such a page may use.
    :ivar headers: of a request, that such a page may set.
    :ivar expose: headers of an answer, that such a page may read.
    :ivar credentials: whether such a page may send what the browser knows of us; not with ``*``.
    :ivar max_age: for so many seconds a browser need not ask again.
    """

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: tuple[str, ...] = (
        "Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id", "X-Request-Timeout",
    )  # fmt: skip
    expose: tuple[str, ...] = ("ETag", "Location", "Retry-After", "X-Request-Id")
    credentials: bool = False
    max_age: Annotated[int, Meta(ge=0)] = 600


class Http(Struct, frozen=True, forbid_unknown_fields=True):
    """HTTP, beside what any service has.

    :ivar listen: Twisted's endpoint strings, of the kinds ``tcp``, ``tcp6``, ``ssl`` and ``unix``.
    :ivar mounts: by a prefix of paths, who answers those, as in :class:`unixsvc.App`.
    :ivar token: ``private`` for routes that are not public, ``required`` for every request, or ``off``.
    :ivar docs: whether ``/docs`` and ``/openapi.json`` are there.
    :ivar cors: which other pages may use it.
    :ivar header_timeout: the longest time for the head of a request, from its first byte or the beginning of
        the connection, in seconds.
    :ivar send_timeout: a client that takes nothing of an answer for so many seconds is given up.
    :ivar max_header_bytes: the longest head of a request.
    :ivar gzip_over: answers of more bytes are compressed for clients that can read that; 0 for none.
    """

    listen: tuple[str, ...] = ("tcp:8080:interface=127.0.0.1",)
    mounts: dict[str, str] = {}
    token: Literal["private", "required", "off"] = "private"
    docs: bool = True
    cors: Cors = Cors()
    header_timeout: Seconds = 10.0
    send_timeout: Seconds = 30.0
    max_header_bytes: Annotated[int, Meta(ge=512, le=1_048_576)] = 16_384
    gzip_over: Annotated[int, Meta(ge=0)] = 1024


class Listen(Struct, frozen=True):
    """Where to listen, as one of Twisted's endpoint strings says it.

    :ivar kind: ``tcp``, ``tcp6``, ``ssl`` or ``unix``.
    :ivar port: of all but ``unix``; 0 for any that is free.
    :ivar interface: an address of this machine; empty for all of them.
    :ivar path: of ``unix``, absolute; and its mode.
    :ivar backlog: connections that may wait to be accepted; None for the limit of the configuration.
    :ivar private_key: of ``ssl``: a PEM file; so are the others.
    :ivar chain: certificates between ours and the authority's, if any.
    """

    kind: str
    port: Port = 0
    interface: str = ""
    path: str = ""
    mode: int = 0o660
    backlog: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    private_key: str = ""
    certificate: str = ""
    chain: str = ""

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        where = self.interface or ("::" if self.kind == "tcp6" else "0.0.0.0")  # noqa: S104  # if asked to
        where = f"[{where}]" if ":" in where else where
        return f"{'https' if self.kind == 'ssl' else 'http'}://{where}:{self.port}"


# By kind: the fields, in the order in which they may stand without their names, and those that there must be.
_TCP: Final = {"port": "port", "interface": "interface", "backlog": "backlog"}
_KINDS: Final[Mapping[str, tuple[dict[str, str], tuple[str, ...]]]] = {
    "tcp": (_TCP, ("port",)),
    "tcp6": (_TCP, ("port",)),
    "ssl": (
        {"port": "port", "privateKey": "private_key", "certKey": "certificate", "extraCertChain": "chain"}
        | {"interface": "interface", "backlog": "backlog"},
        ("port", "privateKey"),
    ),
    "unix": ({"address": "path", "mode": "mode", "backlog": "backlog"}, ("address",)),
}
_FILES: Final = ("path", "private_key", "certificate", "chain")
_PART: Final = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)", re.DOTALL)
_NAMED: Final = re.compile(r"((?:[^=\\]|\\.)*)=(.*)", re.DOTALL)


def parse_listen(text: str, folder: str = ".") -> Listen:
    """Read an endpoint string, as ``tcp:8080:interface=127.0.0.1``.

    Twisted's own ``serverFromString`` makes something that binds and accepts in one process; here one binds
    and others accept.

    :param folder: what its paths are relative to.
    :raises ConfigError: for one that cannot be read.
    """
    kind, *parts = list(_PART.findall(text))[:-1] or [""]
    if kind not in _KINDS:
        raise ConfigError(repr(text), f"is no endpoint of a kind that is known: {', '.join(_KINDS)}")
    names, needed = _KINDS[kind]
    values = _values(text, parts, names)
    for name in needed:
        if names[name] not in values:
            raise ConfigError(repr(text), f"has no {name}")
    if kind == "ssl":
        values.setdefault("certificate", values["private_key"])
    for name in _FILES:
        if name in values:
            values[name] = os.path.normpath(os.path.join(folder, values[name]))
    try:
        values["mode"] = int(values.get("mode", "660"), 8)
        return msgspec.convert({"kind": kind, **values}, Listen, strict=False)
    except ValueError as error:  # also what msgspec raises
        raise ConfigError(repr(text), f"cannot be read: {error}") from None


def _values(text: str, parts: list[str], names: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    unnamed = iter(names)
    for part in parts:
        named = _NAMED.fullmatch(part)
        name = _plain(named[1]) if named else next(unnamed, "")
        if name not in names:
            raise ConfigError(repr(text), f"{part!r} is nothing that is known; there are: {', '.join(names)}")
        values[names[name]] = _plain(named[2] if named else part)
    return values


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
