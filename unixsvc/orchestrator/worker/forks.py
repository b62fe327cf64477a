"""What a process that a worker forks does not share with it: connections, listening sockets, and signals.

A worker has many things that only make sense in one process. Without this, its forked child, such as one of
``multiprocessing``, would hold clients and ports as long as it lives; and the C handler of a signal that the
child gets would write the signal's number to the descriptor from which the worker's event loop reads.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import threading
from collections.abc import Collection, Sequence
from types import FrameType
from typing import Any, Final, NoReturn

from unixsvc.orchestrator.worker.process_tree import children, kill_tree

__all__ = ["WORKER_VARIABLE", "end_process_group", "ignore", "isolate_forks", "lead_session"]

WORKER_VARIABLE: Final = "UNIXSVC_WORKER"
"""The environment variable with the pid of the worker: shows from which worker a program descends."""

_DEFAULTS: Final[dict[signal.Signals, Any]] = {  # as signal.signal() takes them
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,  # the default of Python
}
_Address = tuple[int, object]


def lead_session() -> None:
    """Put this process into a session and a group of its own, with all processes that it will start.

    The orchestrator ends the group with the worker. A process may join any group of its session, whatever its
    user: so one of another service could leave its own group, or make the orchestrator end this one. Also,
    what a terminal sends, as at Ctrl-C, reaches the orchestrator only, which decides what follows.
    """
    if os.getpgid(0) != os.getpid():  # else it was started by hand, and the kernel would refuse it
        os.setsid()
    os.environ[WORKER_VARIABLE] = str(os.getpid())


def end_process_group(code: int) -> NoReturn:
    """Exit, and kill all that this process has started: for a worker whose orchestrator has died.

    :param code: the exit code, if this process leads no group.
    """
    for pid in children():  # also those with a group of their own
        kill_tree(pid)
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


def ignore(*numbers: signal.Signals) -> None:
    """Ignore signals in this process, but not in programs that it executes, which inherit ``SIG_IGN``."""
    for number in numbers:
        signal.signal(number, _do_nothing)


def isolate_forks(own: Sequence[int], listening: Sequence[int], poll: int) -> None:
    """Make forked children of this process close what belongs to it, and reset their signals.

    :param own: descriptors that are closed.
    :param listening: descriptors of listening sockets: they are closed, and the sockets of all their clients.
    :param poll: the descriptor with which the event loop waits. In a child it would still be that of its
        parent: what the child removes from it, as in its finalization, the parent would not see any more.
    """
    addresses = {_address(descriptor) for descriptor in listening} - {None}
    guard = _ForkGuard([*own, *listening, poll], addresses)
    os.register_at_fork(
        before=guard.block_signals, after_in_parent=guard.unblock_signals, after_in_child=guard.isolate
    )


class _ForkGuard:
    """The functions that are called at a fork.

    :param descriptors: closed in a child.
    :param addresses: all sockets with these local addresses are closed in a child.
    """

    def __init__(self, descriptors: Sequence[int], addresses: Collection[_Address | None]) -> None:
        self._descriptors = descriptors
        self._addresses = addresses
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._threads = threading.local()

    def block_signals(self) -> None:
        """Before a fork: no signal may reach the child before :meth:`isolate`."""
        self._threads.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFAULTS)

    def unblock_signals(self) -> None:
        """After a fork."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._threads.mask)

    def isolate(self) -> None:
        """In the child."""
        signal.set_wakeup_fd(-1)
        faulthandler.unregister(signal.SIGQUIT)
        for number, handler in _DEFAULTS.items():
            signal.signal(number, handler)
        self.unblock_signals()
        for descriptor in self._descriptors:
            self._replace(descriptor)
        os.close(self._descriptors[0])  # the parent may have no descriptor left, and the next line needs one
        for name in os.listdir("/proc/self/fd"):
            if _address(int(name)) in self._addresses:
                self._replace(int(name))
        self._replace(self._descriptors[0])

    def _replace(self, descriptor: int) -> None:
        # Not close(): inherited objects would later close the child's own file with the same number.
        os.dup2(self._null, descriptor, inheritable=False)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _address(descriptor: int) -> _Address | None:
    """Where a socket is bound. At the server's side, a client's socket has the address of the listening one.

    :returns: the family, and the path or the port; None for anything else.
    """
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:  # not a socket, or closed
        return None
    try:
        name = found.getsockname()
    except OSError:
        return None
    finally:
        found.detach()
    if found.family == socket.AF_UNIX:
        return (found.family, name) if name else None
    return (found.family, name[1]) if isinstance(name, tuple) else None
