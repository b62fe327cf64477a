"""What the commands share: the configuration, and the way to a service."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property

from msgspec import Raw

from unixsvc.cli.exchange import Call, Exchange, exchange
from unixsvc.client.connect import ServiceUnreachable
from unixsvc.client.location import token_for
from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.domain.message import EMPTY
from unixsvc.errors import BadGateway, error_from
from unixsvc.socket_directory import service_names, socket_path

__all__ = ["Session"]


class Session:
    """One run of the command line.

    :param exchange: sends a message and waits for the answer.
    :param terminal: whether a person reads the output; None to find out.
    :ivar config: the configuration that was asked for, if any.
    :ivar socket_dir: likewise the directory of sockets.
    """

    def __init__(self, exchange: Exchange = exchange, *, terminal: bool | None = None) -> None:
        self._exchange = exchange
        self._terminal = terminal
        self.config: str | None = None
        self.socket_dir: str | None = None

    @property
    def terminal(self) -> bool:
        """Whether a person reads the output."""
        if self._terminal is not None:
            return self._terminal
        return sys.stdout is not None and sys.stdout.isatty()

    @cached_property
    def settings(self) -> Settings:
        """The configuration; read when it is first needed, which is after all options are known.

        :raises ConfigError: if it is wrong.
        """
        return load_settings(self.config, socket_dir=self.socket_dir)

    def ask(
        self,
        service: str,
        path: str,
        *,
        method: str = "GET",
        data: Raw = EMPTY,
        seconds: float | None = None,
        key: str | None = None,
        item: Callable[[Raw], object] | None = None,
    ) -> Raw:
        """Have a service answer.

        :param seconds: for the answer; None for the time that the service itself takes at most.
        :param key: by which the service knows the request again: with it, it is asked again where it may be
            that the answer was lost.
        :param item: called with each item of a stream; None where there must not be one.
        :returns: the result, as JSON.
        :raises ServiceError: if it refuses or fails, or cannot be asked.
        :raises ConfigError: if the configuration or the token is wrong.
        """
        directory = self.settings.socket_dir
        names = service_names(directory)
        if not names:
            remedy = "start it with 'twistd -n unixsvc', or name another --config or --socket-dir"
            raise ServiceUnreachable(directory, "no service runs here", remedy)
        if service not in names:
            raise ServiceUnreachable(
                directory, f"there is no service {service!r}", f"there are: {', '.join(names)}"
            )
        shown = token_for(self.settings)
        call = Call(method, path, data, {} if key is None else {"idempotency_key": key}, shown.token)
        where, patience = socket_path(directory, service), seconds or self._patience(service)
        answer = self._exchange(where, call, patience, item or _refuse)
        if answer.failed:
            raise shown.told(error_from(answer.code, answer.detail))
        return answer.data

    def _patience(self, service: str) -> float:
        general = self.settings.limits
        own = self.settings.services.get(service)
        return (own.limits(general) if own else general).request_timeout


def _refuse(item: Raw) -> None:
    raise BadGateway("the service answers with a stream")
