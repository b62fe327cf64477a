"""The reactors of the orchestrator and its workers, by the interfaces that they need."""

from __future__ import annotations

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorProcess,
    IReactorTime,
)

__all__ = ["IDaemonReactor", "IPoolReactor", "IWorkerReactor"]


class IPoolReactor(IReactorTime, IReactorProcess):
    """Has a clock and starts processes."""


class IDaemonReactor(IPoolReactor, IReactorCore, IReactorFromThreads):
    """The reactor of ``twistd``: it can be stopped, and called from signal handlers."""


class IWorkerReactor(IReactorTime, IReactorCore, IReactorFDSet, IReactorFromThreads):
    """The reactor of a worker."""

    def run(installSignalHandlers: bool = True) -> None:
        """Run until it is stopped; every Twisted reactor has this parameter."""
