"""Doing something with all services, each in its turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults

from unixsvc.orchestrator.shared_result import SharedResult

__all__ = ["reversed_order", "run_in_order"]


async def run_in_order(
    dependencies: Mapping[str, Collection[str]], act: Callable[[str], Awaitable[object]]
) -> None:
    """Act on each name after all that it depends on; where neither depends on the other, at the same time.

    :param dependencies: of each name; without a circle. Names that are no keys are taken to be done.
    :raises Exception: the first that an action has raised; nothing that depends on it is acted on then.
    """
    outcomes = {name: SharedResult() for name in dependencies}

    async def run(name: str) -> None:
        try:
            for each in dependencies[name]:
                if each in outcomes:
                    await outcomes[each].wait()
            await act(name)
        except Exception as error:
            outcomes[name].settle(error)
            raise
        outcomes[name].settle()

    running = [Deferred.fromCoroutine(run(name)) for name in dependencies]
    try:
        await gatherResults(running, consumeErrors=True)
    except FirstError as first:
        error: Any = first.subFailure.value
        raise error from None


def reversed_order(dependencies: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """For each name, those that depend on it."""
    return {name: [each for each in dependencies if name in dependencies[each]] for name in dependencies}
