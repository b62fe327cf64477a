"""Finds one service, and connects to it."""

from __future__ import annotations

import socket

from unixsvc.client.discovery.connect import connect
from unixsvc.client.discovery.location import Credentials, ServiceLocation, find_location

__all__ = ["ServiceFinder"]


class ServiceFinder:
    """Connects to one service; the configuration is read for the first connection, if it is needed.

    :param service: its name.
    :param socket_dir: the socket directory; if None, that of the configuration in the current directory.
    :param token: the token; if None, that of the same configuration.
    :param location: the socket directory and the credentials, if they are known already.
    """

    def __init__(
        self, service: str, socket_dir: str | None, token: str | None, location: ServiceLocation | None
    ) -> None:
        self._service = service
        self._given = socket_dir, token
        self._location = location

    def use_token(self, token: str) -> None:
        """Use another token for new connections."""
        self._given = self._given[0], token
        if self._location is not None:
            self._location = ServiceLocation(self._location.socket_dir, Credentials(token))

    def connect(self) -> tuple[socket.socket, Credentials]:
        """Connect to the service, see :func:`~unixsvc.client.discovery.connect.connect`.

        :returns: the connection, and the credentials for it.
        :raises unixsvc.errors.ConfigError: if the configuration is wrong, or the token cannot be read.
        """
        location = self.find()
        credentials = location.credentials.refreshed()
        if credentials is not location.credentials:
            self._location = ServiceLocation(location.socket_dir, credentials)
        return connect(location.socket_dir, self._service), credentials

    def find(self) -> ServiceLocation:
        """Where the service is.

        :raises unixsvc.errors.ConfigError: if the configuration is wrong, or the token cannot be read.
        """
        if self._location is None:
            self._location = find_location(*self._given)
        return self._location
