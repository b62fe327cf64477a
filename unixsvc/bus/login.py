"""Connects to NATS servers as the table ``[nats]`` says."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from nats.aio.client import RawCredentials
from twisted.internet.defer import Deferred

from unixsvc.bus.connection import BusConnection, ConnectionEvents
from unixsvc.bus.nats_py import Connector
from unixsvc.config.nats import Nats, NatsAccess
from unixsvc.errors import ConfigError
from unixsvc.memory_file import MemoryFile

__all__ = ["connector", "why_refused"]


def connector(
    access: NatsAccess, loop: asyncio.AbstractEventLoop
) -> Callable[[ConnectionEvents], Deferred[BusConnection]]:
    """Return what connects to one of the servers.

    :raises ConfigError: if a certificate cannot be used.
    """
    settings = access.settings
    options: dict[str, Any] = {
        "servers": list(settings.servers),
        "name": f"unixsvc {settings.host} {os.getpid()}",
    }
    if access.credentials:
        options["user_credentials"] = RawCredentials(access.credentials)
    elif access.nkey:
        options["nkeys_seed_str"] = access.nkey
    elif settings.user:
        options["user"], options["password"] = settings.user, access.password
    elif access.token:
        options["token"] = access.token
    if access.authorities or access.certificate or any(_is_tls(url) for url in settings.servers):
        options["tls"] = _tls_context(access)
        options["tls_handshake_first"] = settings.tls_first
    return Connector(options, partial(why_refused, settings), loop)


def why_refused(settings: Nats, url: str, info: dict[str, Any]) -> str:
    """What is wrong with a server, from its first message; empty if it may be used."""
    if info.get("auth_required") or info.get("tls_verify") or settings.insecure or _is_here(url):
        return ""
    return f"{_host(url)} demands no authentication; add it there, or set nats.insecure"


def _is_here(url: str) -> bool:
    host = _host(url)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_tls(url: str) -> bool:
    return urlsplit(url).scheme in ("tls", "wss")


def _tls_context(access: NatsAccess) -> ssl.SSLContext:
    settings = access.settings
    try:
        context = ssl.create_default_context(cadata=access.authorities or None)
    except ssl.SSLError as error:
        raise ConfigError(settings.tls_ca, f"has no certificate: {error.reason}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.certificate:
        try:
            with MemoryFile(access.certificate) as chain, MemoryFile(access.private_key) as key:
                context.load_cert_chain(chain.path, key.path)
        except ssl.SSLError as error:
            raise ConfigError(settings.tls_cert, f"cannot be used: {error.reason}") from None
    return context
