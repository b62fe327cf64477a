"""Runs a function on all services in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from twisted.internet.defer import Deferred, FirstError, gatherResults

from unixsvc.execution.shared_result import SharedResult

__all__ = ["reversed_order", "run_in_order"]


async def run_in_order(
    dependencies: Mapping[str, Collection[str]], action: Callable[[str], Awaitable[object]]
) -> None:
    """Run a function on each name after its dependencies; independent names run at the same time.

    :param dependencies: of each name, without cycles. Dependencies that are no keys count as done.
    :raises Exception: the first error of the function; it is not called for dependents of that name.
    """
    results: dict[str, SharedResult[None]] = {name: SharedResult() for name in dependencies}

    async def run(name: str) -> None:
        try:
            for dependency in dependencies[name]:
                if dependency in results:
                    await results[dependency].wait()
            await action(name)
        except Exception as error:
            results[name].fail(error)
            raise
        results[name].succeed(None)

    running = [Deferred.fromCoroutine(run(name)) for name in dependencies]
    try:
        await gatherResults(running, consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()


def reversed_order(dependencies: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """The names that depend on each name."""
    return {name: [other for other in dependencies if name in dependencies[other]] for name in dependencies}
