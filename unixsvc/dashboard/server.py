"""The server of the page: where it listens, and what a reload changes."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.policies import ThrottlingFactory

from unixsvc.config.dashboard import Dashboard
from unixsvc.config.http import Listen, parse_listen
from unixsvc.config.settings import Settings
from unixsvc.dashboard.feed import Feed
from unixsvc.dashboard.operators import Operators, Sessions
from unixsvc.dashboard.pages import DashboardPages
from unixsvc.dashboard.site import PageSite
from unixsvc.errors import ConfigError
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.sockets.http_listener import HttpListener
from unixsvc.security.token_file import read_token

__all__ = ["DashboardServer"]

_BACKLOG: Final = 64
_MAX_CONNECTIONS: Final = 128


class DashboardServer:
    """Serves the page of an orchestrator.

    :param reactor: Twisted's default reactor. ``Any``: no type says all the interfaces that ports need.
    :param settings: the whole configuration.
    :raises ConfigError: if the address cannot be bound, or there is no token in the token file.
    """

    def __init__(self, orchestrator: Orchestrator, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings.dashboard
        self._address = _address_of(settings)
        self._token = _read_token(self._settings)
        self._feed = Feed(reactor, orchestrator.figures)
        operators = Operators(lambda: orchestrator.tokens.current().tokens, lambda: self._token)
        sessions = Sessions(operators, reactor.seconds)
        self._pages = DashboardPages(orchestrator, reactor, self._feed, sessions, self._settings)
        self._factory = ThrottlingFactory(PageSite(self._pages, reactor), _MAX_CONNECTIONS)
        self._factory.noisy = False
        self._listener = HttpListener("dashboard", [self._address], _BACKLOG)
        self._port: IListeningPort | None = None
        self._listener.open()

    def start(self) -> None:
        """Begin to accept."""
        if self._port is None:
            self._port = self._adopt()

    def use(self, settings: Settings) -> None:
        """Use another configuration, with another address if it has one.

        :raises ConfigError: if it cannot be used; then the page stays as it was.
        """
        address, token = _address_of(settings), _read_token(settings.dashboard)
        self._listener.add([address])
        self._token, self._settings = token, settings.dashboard
        self._pages.use(self._settings)
        moved, self._address = address != self._address, address
        if moved and self._port is not None:
            self._port.stopListening()
            self._port = self._adopt()
        self._listener.keep([address])

    def stop(self) -> Deferred[object]:
        """Stop to accept, and end all pages."""
        port, self._port = self._port, None
        self._pages.close()
        stopped: Deferred[object] = succeed(None) if port is None else maybeDeferred(port.stopListening)
        self._listener.close()
        return stopped

    def _adopt(self) -> IListeningPort:
        descriptors: Sequence[int] = self._listener.descriptors([self._address])
        if self._address.kind == "unix":
            endpoint = BoundUNIXServerEndpoint(self._reactor, lambda: descriptors)
            return _result(endpoint.listen(self._factory))
        family = (
            socket.AF_INET6
            if ":" in self._address.interface or self._address.kind == "tcp6"
            else socket.AF_INET
        )
        port: IListeningPort = self._reactor.adoptStreamPort(descriptors[0], family, self._factory)
        return port


def _result(listening: Deferred[IListeningPort]) -> IListeningPort:
    """The port of an endpoint that listens at once."""
    found: list[IListeningPort] = []
    listening.addCallback(found.append)
    return found[0]


def _address_of(settings: Settings) -> Listen:
    return parse_listen(settings.dashboard.listen, settings.folder)


def _read_token(settings: Dashboard) -> str:
    if not settings.token_file:
        return ""
    try:
        return read_token(settings.token_file)
    except ConfigError as error:
        remedy = f"make one: openssl rand -hex 32 > {settings.token_file}; chmod 600 {settings.token_file}"
        raise ConfigError(f"dashboard.token_file: {error.where}", error.problem, remedy) from None
