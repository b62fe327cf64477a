"""Chooses how application code is run: on an asyncio event loop, or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unixsvc.domain.action_runner import ActionRunner, PlainRunner

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["runner_for"]


def runner_for(loop: AbstractEventLoop | None) -> ActionRunner:
    """Return the runner for an event loop; None if the reactor does not run on asyncio."""
    if loop is None:
        return PlainRunner()
    # Not at module level: the orchestrator must not load asyncio.
    from unixsvc.execution.action_runner import AsyncioRunner

    return AsyncioRunner(loop)
