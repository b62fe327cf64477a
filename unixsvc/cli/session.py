"""What the commands share: the configuration, a client for the services, and their options."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import (
    Credentials,
    ServiceLocation,
    external_credentials,
    token_for,
)
from unixsvc.client.errors import BacklogFull, ServiceUnreachable
from unixsvc.config.loader import (
    Configuration,
    find_socket_dir,
    load_client_settings,
    load_configuration,
)
from unixsvc.config.settings import CONTROL_SERVICE, NATS_SERVICE, Limits
from unixsvc.domain.message import EMPTY
from unixsvc.errors import ConfigError, DeadlineExceeded, Internal, ServiceError, error_from
from unixsvc.socket_directory import service_names, socket_path

__all__ = ["RequestClient", "Session", "blocking_client", "location_options"]

F = TypeVar("F", bound=Callable[..., object])


class RequestClient(Protocol):
    """The part of :class:`unixsvc.blocking.Client` that the commands use."""

    def request(self, call: Call, timeout: float, on_item: Callable[[Raw], object] | None = None) -> Raw:
        """Make a call."""

    def __enter__(self) -> Self:
        """Use the client."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""


# Time for the orchestrator to send the token, in seconds.
_PATIENCE: Final = 2.0


class _ServiceAccess(Struct, frozen=True):
    """The orchestrator's reply."""

    token: str
    request_timeout: float


ClientFactory = Callable[[str, ServiceLocation, bool], RequestClient]


def blocking_client(service: str, location: ServiceLocation, retry: bool) -> RequestClient:
    """Make the client of one service."""
    from unixsvc.client.blocking.client import Client  # late: not every command makes calls

    return Client(service, location=location, retry=retry)


class Session:
    """One run of the command line.

    :param client: makes a client of a service at a location, which retries or not.
    :param terminal: True if the output is for a person; None to find out.
    :ivar config: the files given by ``--config``; None for the default.
    :ivar socket_dir: the socket directory given by ``--socket-dir``.
    :ivar development: True if the table ``[dev]`` counts.
    """

    def __init__(self, client: ClientFactory = blocking_client, *, terminal: bool | None = None) -> None:
        self._client = client
        self._terminal = terminal
        self.config: tuple[str, ...] | None = None
        self.socket_dir: str | None = None
        self.development = False

    @property
    def terminal(self) -> bool:
        """True if the output is for a person."""
        if self._terminal is not None:
            return self._terminal
        return sys.stdout is not None and sys.stdout.isatty()

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration with the places of its values; read on first use, when all options are known.

        :raises ConfigError: if it is wrong.
        """
        return load_configuration(self.config, socket_dir=self.socket_dir, development=self.development)

    @cached_property
    def directory(self) -> str:
        """The socket directory, also if the rest of the configuration is wrong.

        :raises ConfigError: if it cannot be found, or its path is too long for sockets.
        """
        directory = find_socket_dir(self.config, socket_dir=self.socket_dir)
        socket_path(directory, CONTROL_SERVICE)
        return directory

    def check_configuration(self) -> None:
        """Check the configuration that has named the socket directory, if nothing runs there.

        Its references may have a value in the environment of the orchestrator alone.

        :raises ConfigError: if it is wrong.
        """
        from unixsvc.config.sources.references import UnresolvedReference  # late: few commands need it

        if self.socket_dir is None:
            with suppress(UnresolvedReference):
                load_configuration(self.config)

    def check_development(self) -> None:
        """Check the configuration with the table ``[dev]``, whose references may have no value here.

        :raises ConfigError: if it is wrong.
        """
        from unixsvc.config.sources.references import UnresolvedReference  # late: few commands need it

        with suppress(UnresolvedReference):
            load_configuration(self.config, socket_dir=self.socket_dir, development=True)

    def credentials(self) -> Credentials:
        """The token for calls.

        :raises ConfigError: if there is none, or it cannot be read.
        """
        running = None if (external := external_credentials()) else self._ask_orchestrator("")
        return external or self._credentials(running)

    def client(self, service: str, credentials: Credentials) -> RequestClient:
        """Make a client of one service, which does not retry."""
        return self._client(service, ServiceLocation(self.directory, credentials), False)

    def request(
        self,
        service: str,
        path: str,
        *,
        method: str = "GET",
        data: Raw = EMPTY,
        timeout: float | None = None,
        key: str | None = None,
        meta: Mapping[str, str] | None = None,
        on_item: Callable[[Raw], object] | None = None,
    ) -> Raw:
        """Send a request to a service.

        :param timeout: in seconds; None for the request timeout of the service.
        :param key: the idempotency key. With it, the request is retried; without, it is sent once.
        :param meta: further entries of the ``meta``.
        :param on_item: called with each item of a stream; None if the reply must not be a stream.
        :returns: the result, as JSON.
        :raises ServiceError: the error of the service; also if it cannot be reached.
        :raises ConfigError: if the configuration or the token is wrong.
        """
        directory = self.directory
        names = service_names(directory)
        if not names:
            self.check_configuration()
            remedy = "start it with 'twistd -n unixsvc', or give another --config or --socket-dir"
            raise ServiceUnreachable(directory, "no service runs here", remedy)
        if service not in names and NATS_SERVICE not in names:
            raise ServiceUnreachable(
                directory, f"there is no service {service!r}", f"there are: {', '.join(names)}"
            )
        meta = {"request_id": secrets.token_hex(8), **(meta or {})}
        if key is not None:
            meta["idempotency_key"] = key
        credentials, seconds = self._access(service, timeout)
        location = ServiceLocation(directory, credentials)
        try:
            with self._client(service, location, key is not None) as client:
                return client.request(Call(method, path, data, meta), seconds, on_item)
        except BacklogFull as error:
            raise DeadlineExceeded(
                f"no answer within {seconds:g} s: {error.where}: {error.problem}"
            ) from None
        except Internal:
            reason = f"the log has the reason, under the request id {meta['request_id']}"
            raise error_from(Internal.code, reason) from None

    def _access(self, service: str, timeout: float | None) -> tuple[Credentials, float]:
        """The token for a service, and the timeout of the request.

        The running orchestrator knows them, but does not tell every user. Then the configuration and the
        token file have them.
        """
        if service == CONTROL_SERVICE:  # it needs no token
            return Credentials(None), timeout or Limits().request_timeout
        external = external_credentials()
        running = self._ask_orchestrator(service) if external is None or timeout is None else None
        seconds = timeout or (running.request_timeout if running else self._configured_timeout(service))
        return external or self._credentials(running), seconds

    def _credentials(self, running: _ServiceAccess | None) -> Credentials:
        if running is None:
            return token_for(load_client_settings(self.config, socket_dir=self.socket_dir))
        return Credentials(running.token, "the token is that of the running orchestrator")

    def _ask_orchestrator(self, service: str) -> _ServiceAccess | None:
        """Ask the orchestrator for the token; None if it does not run or does not tell this user."""
        if CONTROL_SERVICE not in service_names(self.directory):
            return None
        location = ServiceLocation(self.directory, Credentials(None))
        call = Call("POST", "/tokens/access", Raw(msgspec.json.encode({"service": service})))
        with (
            suppress(ServiceError, msgspec.DecodeError),
            self._client(CONTROL_SERVICE, location, False) as client,
        ):
            return msgspec.json.decode(client.request(call, _PATIENCE), type=_ServiceAccess)
        return None

    def _configured_timeout(self, service: str) -> float:
        with suppress(ConfigError):
            settings = self.configuration.settings
            own = settings.services.get(service)
            return (own.limits(settings.limits) if own else settings.limits).request_timeout
        return Limits().request_timeout


def location_options(command: F) -> F:
    """Add the options ``--config`` and ``--socket-dir`` to a command; they set the :class:`Session`."""
    config = (
        "Configuration file [default: ./unixsvc.toml, or the built-in demo]; several: later ones override."
    )
    for name, metavar, description in (
        ("--socket-dir", "DIR", "Socket directory [default: from the configuration]."),
        ("--config", "FILE", config),
    ):  # the last one is the first in the help
        option = click.option(
            name,
            metavar=metavar,
            help=description,
            multiple=metavar == "FILE",
            callback=_set_on_session,
            expose_value=False,
        )
        command = option(command)
    return command


def _set_on_session(
    context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> None:
    if isinstance(value, tuple):  # before the command's name, after it, or both
        session = context.ensure_object(Session)
        session.config = (*(session.config or ()), *value) or None
    elif value is not None:
        setattr(context.ensure_object(Session), parameter.name or "", value)
