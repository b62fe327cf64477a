"""Finds one service, and connects to it."""

from __future__ import annotations

import socket
from typing import TypedDict, Unpack

from unixsvc.client.discovery.connect import connect, connect_through_relay
from unixsvc.client.discovery.location import Credentials, ServiceLocation, find_location
from unixsvc.client.errors import ConnectAttemptFailed
from unixsvc.config.loader import Files

__all__ = ["LocationOptions", "ServiceFinder"]


class LocationOptions(TypedDict, total=False):
    """What a program knows of the location of services, see :class:`unixsvc.client.base.ClientBase`."""

    socket_dir: str | None
    token: str | None
    config: Files
    token_file: str | None


class ServiceFinder:
    """Connects to one service; the configuration is read for the first connection, if it is needed.

    :param service: its name.
    :param location: the socket directory and the credentials, if they are known already.
    :param given: what the program knows of them.
    :raises ValueError: if both a token and its file are given.
    """

    def __init__(
        self, service: str, location: ServiceLocation | None, **given: Unpack[LocationOptions]
    ) -> None:
        if given.get("token") is not None and given.get("token_file") is not None:
            raise ValueError("both token and token_file are given; give one of them")
        self._service = service
        self._given = given
        self._location = location
        self._known = False

    def use_token(self, token: str) -> None:
        """Use another token for new connections."""
        self._given = {**self._given, "token": token}
        if self._location is not None:
            self._location = ServiceLocation(self._location.socket_dir, Credentials(token))

    def connect(self, *, relay: bool = True) -> tuple[socket.socket, Credentials]:
        """Connect to the service, see :func:`~unixsvc.client.discovery.connect.connect`.

        :param relay: whether it may be that of another host, where this one is in a cluster.
        :returns: the connection, and the credentials for it.
        :raises ConnectAttemptFailed: also; it says whether an earlier attempt found the service.
        :raises unixsvc.errors.ConfigError: if the configuration is wrong, or the token cannot be read.
        """
        location = self.find()
        credentials = location.credentials.refreshed()
        if credentials is not location.credentials:
            self._location = ServiceLocation(location.socket_dir, credentials)
        try:
            connection = connect(location.socket_dir, self._service)
        except ConnectAttemptFailed as error:
            relayed = connect_through_relay(location, credentials.token, self._service) if relay else None
            if relayed is not None:
                return relayed, Credentials(None, relayed=True)
            error.known = self._known
            raise
        self._known = True
        return connection, credentials

    def find(self) -> ServiceLocation:
        """Where the service is.

        :raises unixsvc.errors.ConfigError: if the configuration is wrong, or the token cannot be read.
        """
        if self._location is None:
            self._location = find_location(**self._given)
        return self._location
