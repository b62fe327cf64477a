"""How an event gets to a hook: as the input of a command, or as a request over HTTP."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from unixsvc.config.hooks import Hook
from unixsvc.config.sources.environment import is_table_variable
from unixsvc.orchestrator.events.hooks import Deliver
from unixsvc.orchestrator.events.log import Event
from unixsvc.orchestrator.reactor import IPoolReactor

__all__ = ["Delivery", "DeliveryFailed", "variables_of"]

_SHOWN: Final = 500  # bytes of the output of a command that failed
_MULTIPLE: Final = 300


class DeliveryFailed(Exception):
    """The command or the server has not taken the event; the text says why."""


class Delivery:
    """Makes what delivers the events of a hook.

    :param folder: the current directory of commands.
    """

    def __init__(self, reactor: IPoolReactor, folder: str) -> None:
        self._reactor = reactor
        self._folder = folder

    def __call__(self, hook: Hook) -> Deliver:
        """Return what delivers the events of a hook."""
        return self._command(hook) if hook.command else self._post(hook)

    def _command(self, hook: Hook) -> Deliver:
        def run(event: Event) -> Deferred[None]:
            protocol = _HookProcess(msgspec.json.encode(event) + b"\n")
            # Without variables for keys of the configuration, which may be secrets of services.
            ours = {key: value for key, value in os.environ.items() if not is_table_variable(key)}
            environment = ours | variables_of(event)
            self._reactor.spawnProcess(protocol, hook.command[0], hook.command, environment, self._folder)
            return protocol.done

        return run

    def _post(self, hook: Hook) -> Deliver:
        def send(event: Event) -> Deferred[None]:
            return Deferred.fromCoroutine(_post(self._reactor, hook, event))

        return send


def variables_of(event: Event) -> dict[str, str]:
    """The environment variables that describe an event to a command."""
    facts: Mapping[str, object] = {
        "EVENT_KIND": event.kind,
        "EVENT_NUMBER": event.number,
        "EVENT_TIME": event.time.isoformat(),
        "EVENT_SERVICE": event.service,
        "EVENT_PID": "" if event.pid is None else event.pid,
        "EVENT_REASON": event.reason.replace("\0", ""),
    }
    return {name: str(value) for name, value in facts.items()}


class _HookProcess(ProcessProtocol):
    """A command; it gets the event on standard input.

    :ivar done: fires when it has exited with 0; a cancel kills it.
    """

    transport: IProcessTransport

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._output = b""
        self.done: Deferred[None] = Deferred(lambda _: self._kill())

    def connectionMade(self) -> None:
        """It was started."""
        self.transport.write(self._data)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Keep the end of its output, which says why it fails."""
        self._output = (self._output + data)[-_SHOWN:]

    def processExited(self, reason: Failure) -> None:
        """It has exited; a process that it has started may keep its pipes open."""
        self.transport.loseConnection()
        if self.done.called:
            return
        if isinstance(reason.value, ProcessDone):
            self.done.callback(None)
            return
        text = " ".join(self._output.decode("utf-8", "replace").split())
        number = getattr(reason.value, "signal", None)
        code = getattr(reason.value, "exitCode", None)
        how = f"killed by signal {number}" if number else f"exited with code {code}"
        self.done.errback(DeliveryFailed(f"{how}: {text}" if text else how))

    def _kill(self) -> None:
        try:
            self.transport.signalProcess(signal.Signals.SIGKILL.name.removeprefix("SIG"))
        except ProcessExitedAlready:
            return


async def _post(reactor: IPoolReactor, hook: Hook, event: Event) -> None:
    # Late: few orchestrators have webhooks, and it takes 18 MiB.
    from treq.client import HTTPClient
    from twisted.web.client import Agent
    from twisted.web.http_headers import Headers

    client = HTTPClient(Agent(reactor, connectTimeout=hook.timeout))
    headers = Headers({"Content-Type": ["application/json"], "User-Agent": ["unixsvc"]})
    for name, value in hook.headers.items():
        headers.setRawHeaders(name, [value])
    # A redirect is not followed: the event and the headers are for this address.
    response = await client.post(
        hook.url, data=msgspec.json.encode(event), headers=headers, allow_redirects=False
    )
    await response.content()  # frees the connection
    if response.code >= _MULTIPLE:
        raise DeliveryFailed(f"the server answers {response.code}")
