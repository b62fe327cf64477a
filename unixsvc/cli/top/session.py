"""One run of ``unixsvc top`` on a terminal."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw
from rich.console import Console

from unixsvc.cli.output import describe_error
from unixsvc.cli.session import Session
from unixsvc.cli.top.picture import Surroundings, draw
from unixsvc.cli.top.rows import between
from unixsvc.cli.top.samples import Sample, take_sample
from unixsvc.cli.top.screen import Screen
from unixsvc.cli.top.view import Order, View
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.errors import ConfigError, ServiceError

__all__ = ["TopSession"]

_TIMEOUT: Final = 86_400.0  # for orders: the timeouts of the services limit them
_MESSAGE: Final = 5.0  # for how long the result of an order is shown, in seconds
# A sample; or why there is none.
_News: TypeAlias = Sample | str


class TopSession:
    """Shows samples until a key, or a signal, ends it.

    :param interval: between two samples, in seconds.
    :param logs: the command that follows the log of a service.
    """

    def __init__(
        self, session: Session, view: View, interval: float, logs: Callable[[str], list[str]]
    ) -> None:
        self._session = session
        self._view = view
        self._interval = interval
        self._logs = logs
        self._screen = Screen(Console(force_terminal=True))
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._results: SimpleQueue[str] = SimpleQueue()
        self._last: Sample | None = None
        self._problem = ""
        self._message = ""
        self._message_until = 0.0

    def run(self) -> None:
        """Run until it is ended.

        :raises ServiceError: if the orchestrator cannot be reached at the start.
        :raises ConfigError: if the configuration is wrong.
        """
        self._take(take_sample(self._session))
        threading.Thread(target=self._sample, name="samples", daemon=True).start()
        with self._screen.entered():
            while True:
                self._screen.show(draw(self._view, self._around(), *self._screen.size))
                try:
                    keys = self._screen.keys(self._interval)
                except (EOFError, OSError):  # the terminal has gone
                    return
                for key in keys:
                    order = self._view.press(key)
                    if order is not None and order.kind == "quit":
                        return
                    if order is not None:
                        self._do(order)
                while not self._news.empty():
                    self._take(self._news.get())
                while not self._results.empty():
                    self._say(self._results.get())

    def _sample(self) -> None:
        """Take samples; runs in a thread."""
        while True:
            time.sleep(self._interval)
            try:
                news: _News = take_sample(self._session)
            except (ServiceError, ConfigError, OSError) as error:
                news = _describe(error)
            self._news.put(news)
            self._screen.wake()

    def _take(self, news: _News) -> None:
        if isinstance(news, str):
            self._problem, self._last = news, None
            return
        self._problem = ""
        if not self._view.paused:
            self._view.update(between(self._last, news))
        self._last = news

    def _around(self) -> Surroundings:
        message = self._message if time.monotonic() < self._message_until else ""
        clock = time.strftime("%H:%M:%S")
        return Surroundings(self._session.directory, clock, self._interval, self._problem, message)

    def _say(self, message: str) -> None:
        self._message, self._message_until = message, time.monotonic() + _MESSAGE

    def _do(self, order: Order) -> None:
        if order.kind == "logs":
            with self._screen.lent():
                code = subprocess.run(self._logs(order.service), check=False).returncode  # noqa: S603 - our own
            self._say("" if code in (0, 130) else f"logs: exit code {code}")
            return
        self._say(f"{order} ...")
        threading.Thread(target=self._carry_out, args=(order,), name="order", daemon=True).start()

    def _carry_out(self, order: Order) -> None:
        """Carry out an order; runs in a thread."""
        method, path, data = _REQUESTS[order.kind](order)
        try:
            body = Raw(msgspec.json.encode(data))
            self._session.request(CONTROL_SERVICE, path, method=method, data=body, timeout=_TIMEOUT)
            result = f"done: {order}"
        except (ServiceError, ConfigError, OSError) as error:
            result = f"failed: {order}: {_describe(error)}"
        self._results.put(result)
        self._screen.wake()


_Request: TypeAlias = tuple[str, str, dict[str, str | int]]
_REQUESTS: Final[dict[str, Callable[[Order], _Request]]] = {
    "reload": lambda order: ("POST", "/reload", {"service": order.service}),
    "restart": lambda order: ("POST", "/restart", {"service": order.service}),
    "scale": lambda order: ("POST", "/scale", {"service": order.service, "workers": order.workers}),
    "log-level": lambda order: ("PUT", "/log/level", {"level": order.level, "service": order.service}),
}


def _describe(error: ServiceError | ConfigError | OSError) -> str:
    return ": ".join(describe_error(error)) if isinstance(error, ServiceError) else str(error)
