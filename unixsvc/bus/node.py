"""The part of one process in the cluster: keeps a link, and what it serves, over lost connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.bus.clock import LinkClock
from unixsvc.bus.connection import Connect, NotConnected
from unixsvc.bus.link import Accept, Link, NotOpened
from unixsvc.bus.micro import Subscription
from unixsvc.bus.subjects import Subjects
from unixsvc.bus.transport import CircuitTransport

__all__ = ["Node"]

# The first and the longest pause between attempts to connect, in seconds.
_FIRST_PAUSE: Final = 0.05
_MAX_PAUSE: Final = 2.0
# How long circuits are not refused after a connection was lost, in seconds: another one takes a few ms.
_HOPE: Final = 2.0
# How long circuits on a server in lame duck mode may take to end, in seconds; the server waits two minutes.
_LEAVE_TIMEOUT: Final = 60.0

_log = Logger(namespace="nats")


class Node:
    """Connects to the cluster, and stays connected.

    :param connect: makes a connection to one of the servers.
    :param process: the name of this process, which no other one of the host has.
    :param interval: of the keepalive of circuits and of the connection, in seconds.
    :ivar problem: why there is no connection; empty while there is one.
    :ivar on_change: called when ``problem`` changes.
    """

    def __init__(
        self, connect: Connect, subjects: Subjects, process: str, clock: LinkClock, interval: float
    ) -> None:
        self.subjects = subjects
        self.problem = "not connected yet"
        self.on_change: Callable[[], object] = bool
        self._connect = connect
        self._process = process
        self._clock = clock
        self._interval = interval
        self._links = 0
        self._link: Link | None = None
        self._leaving: list[Link] = []
        self._services: dict[str, tuple[Accept, Sequence[Subscription]]] = {}
        self._waiting: list[Deferred[None]] = []
        self._retry: IDelayedCall | None = None
        self._watch: IDelayedCall | None = None
        self._hopeful: dict[Deferred[None], IDelayedCall] = {}
        self._hope_until = 0.0
        self._pause = _FIRST_PAUSE
        self._stopped = False
        self._connecting = False
        self._asked: Link | None = None  # has to return a message

    @property
    def connected(self) -> bool:
        """Whether circuits can be opened."""
        return self._link is not None

    @property
    def circuits(self) -> int:
        """The number of open circuits."""
        return sum(len(link) for link in (*self._leaving, self._link) if link is not None)

    def start(self) -> None:
        """Begin to connect."""
        self._hope_until = self._clock.seconds() + _HOPE
        self._try()

    def stop(self) -> None:
        """Disconnect."""
        self._stopped = True
        hopeful, self._hopeful = self._hopeful, {}
        for linked, late in hopeful.items():
            late.cancel()
            linked.errback(self._no_link())
        for timer in (self._retry, self._watch):
            if timer is not None and timer.active():
                timer.cancel()
        links = [link for link in (*self._leaving, self._link) if link is not None]
        self._link, self._leaving = None, []
        for link in links:
            link.connection.close()
            link.lost("this process stops")

    def when_tried(self) -> Deferred[None]:
        """Fires after the next attempt to connect; if it has succeeded, what is served can be called."""
        if self._link is not None:
            return succeed(None)
        waiting: Deferred[None] = Deferred(lambda each: self._waiting.remove(each))
        self._waiting.append(waiting)
        return waiting

    def open(self, service: str, host: str = "") -> Deferred[CircuitTransport]:
        """Open a circuit, see :meth:`~unixsvc.bus.link.Link.open`.

        While a lost connection may come back soon, it waits for that.
        """
        if self._link is not None:
            return self._link.open(service, host)
        now = self._clock.seconds()
        if self._stopped or now >= self._hope_until:
            raise self._no_link()
        return self._when_linked(self._hope_until - now).addCallback(lambda _: self.open(service, host))

    def expect(self, transport: CircuitTransport, busy: Callable[[], bool]) -> None:
        """Watch a circuit, see :meth:`~unixsvc.bus.link.Link.expect`."""
        for link in (self._link, *self._leaving):
            if link is not None and transport in link.circuits:
                link.expect(transport, busy)

    def serve(self, service: str, accept: Accept, others: Sequence[Subscription] = ()) -> Deferred[None]:
        """Accept circuits to a service, on each connection from now on.

        :param others: its other subscriptions.
        :returns: fires when they can be opened; at once without a connection.
        """
        self._services[service] = accept, others
        if self._link is None:
            return succeed(None)
        try:
            self._link.serve(service, accept, others)
        except NotConnected:
            return succeed(None)
        return self._link.fence().addErrback(_ignore_loss)

    def withdraw(self, service: str) -> Deferred[None]:
        """Accept no more circuits to a service.

        :returns: fires when none will come any more.
        """
        self._services.pop(service, None)
        if self._link is None:
            return succeed(None)
        self._link.withdraw(service)
        return self._link.fence().addErrback(_ignore_loss)

    def _when_linked(self, seconds: float) -> Deferred[None]:
        """Fires when there is a connection; fails with NotOpened after a while without one."""
        linked: Deferred[None] = Deferred(lambda each: self._hopeful.pop(each).cancel())
        self._hopeful[linked] = self._clock.call_later(seconds, self._give_up_hope, linked)
        return linked

    def _give_up_hope(self, linked: Deferred[None]) -> None:
        del self._hopeful[linked]
        linked.errback(self._no_link())

    def _no_link(self) -> NotOpened:
        return NotOpened(f"there is no connection to NATS: {self.problem}")

    def _try(self) -> None:
        self._retry = None
        if not (self._stopped or self._connecting):
            self._connecting = True
            Deferred.fromCoroutine(self._make_link()).addCallbacks(self._use, self._not_connected)

    async def _make_link(self) -> Link:
        events = _Events(self)
        connection = await self._connect(events)
        self._links += 1
        link = Link(connection, self.subjects, f"{self._process}-{self._links}", self._clock, self._interval)
        events.link = link
        # Not before the server knows of all subscriptions: answers would find no subscriber.
        late = self._clock.call_later(2 * self._interval, self._give_up, link)
        try:
            while True:
                for service in self._services.keys() - link.served:
                    link.serve(service, *self._services[service])
                await link.fence()
                if not self._services.keys() - link.served:  # else one was added meanwhile
                    break
        finally:
            if late.active():
                late.cancel()
        return link

    def _not_connected(self, failure: Failure) -> None:
        failure.trap(NotConnected)
        self._connecting = False
        if self._link is None:
            self._set_problem(failure.getErrorMessage())
        self._tried()
        if not self._stopped:
            self._retry = self._clock.call_later(self._pause, self._try)
            self._pause = min(2 * self._pause, _MAX_PAUSE)

    def _use(self, link: Link) -> None:
        self._connecting = False
        if self._stopped:
            link.connection.close()
            return
        previous, self._link = self._link, link
        self._pause = _FIRST_PAUSE
        self._set_problem("")
        _log.info("connected to the NATS server {server}", server=link.connection.server)
        if previous is not None:
            self._leave(previous)
        if self._watch is None:
            self._watch = self._clock.call_later(self._interval, self._watch_connection)
        self._tried()
        hopeful, self._hopeful = self._hopeful, {}
        for linked, late in hopeful.items():
            late.cancel()
            linked.callback(None)

    def _tried(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _leave(self, link: Link) -> None:
        """End a link whose server is about to disconnect its clients: what runs on it comes to its end."""
        link.leaving = True
        for service in self._services:
            link.withdraw(service)
        self._leaving.append(link)
        for transport in link.circuits:
            transport.on_leave()
        deadline = self._clock.seconds() + _LEAVE_TIMEOUT

        def close_if_empty() -> None:
            if link not in self._leaving:
                return
            if len(link) and self._clock.seconds() < deadline:
                self._clock.call_later(self._interval, close_if_empty)
                return
            self._leaving.remove(link)
            link.connection.close()
            link.lost("the server leaves")

        self._clock.call_later(self._interval, close_if_empty)

    def lost(self, link: Link | None, problem: str) -> None:
        """A connection has ended."""
        if link is None:
            return
        link.lost(problem)
        if link in self._leaving:
            self._leaving.remove(link)
        if link is self._link:
            self._link = None
            self._hope_until = self._clock.seconds() + _HOPE
            _log.warn("the connection to the NATS server is lost: {problem}", problem=problem)
            self._set_problem(problem)
            self._try()

    def server_leaves(self, link: Link | None) -> None:
        """The server is in lame duck mode: connect to another one first."""
        if link is not None and link is self._link:
            _log.info("the NATS server {server} is about to leave", server=link.connection.server)
            self._try()

    def refused(self, problem: str) -> None:
        """The server does not permit something."""
        _log.error("the NATS server refuses: {problem}", problem=problem)
        self._set_problem(problem)

    def _set_problem(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self.on_change()

    def _watch_connection(self) -> None:
        """Send a message to this process again and again: a server that does not return it is dead."""
        self._watch = (
            None if self._stopped else self._clock.call_later(self._interval, self._watch_connection)
        )
        link = self._link
        if link is None or self._asked is link:
            return
        self._asked = link
        late = self._clock.call_later(2 * self._interval, self._give_up, link)

        def returned(_: object) -> None:
            self._asked = None
            if late.active():
                late.cancel()

        link.fence().addErrback(_ignore_loss).addBoth(returned)

    def _give_up(self, link: Link) -> None:
        self.lost(link, f"{link.connection.server} does not answer")
        link.connection.abort()


class _Events:
    """What one connection reports.

    :ivar link: its link, when there is one.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.link: Link | None = None
        self._refused = False

    def connection_lost(self, problem: str) -> None:
        """The connection has ended."""
        self._node.lost(self.link, problem)

    def server_leaves(self) -> None:
        """The server will disconnect its clients soon."""
        self._node.server_leaves(self.link)

    def refused(self, problem: str) -> None:
        """The server does not permit something: the first subject stands for all, as it tells what to do."""
        if not self._refused:
            self._refused = True
            self._node.refused(problem)


def _ignore_loss(failure: Failure) -> None:
    failure.trap(NotConnected)
