"""Shrinks a conversation that differs. Pure: the caller holds the conversations."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from tests.differential.progress import id_of, key_of
from tests.differential.steps import AnyStep, Conversation, Send, Until, drop_group, groups_of

__all__ = ["shrink", "smaller"]

_SECONDS: Final = 20.0


def smaller(conversation: Conversation) -> Iterator[Conversation]:
    """Smaller conversations: without one group, without one message, without cuts."""
    groups = groups_of(conversation)
    if len(groups) > 1:
        for group in reversed(groups):
            yield drop_group(conversation, group)
    whole = tuple(_whole(each) for each in conversation.steps)
    if whole != conversation.steps:
        yield msgspec.structs.replace(conversation, steps=whole)
    for at in reversed(range(len(conversation.steps))):
        if isinstance(conversation.steps[at], Send | Until) and len(conversation.steps) > 1:
            steps = _answerable(conversation.steps[:at] + conversation.steps[at + 1 :])
            if steps:
                yield msgspec.structs.replace(conversation, steps=steps)


async def shrink(
    conversation: Conversation,
    differs: Callable[[Conversation], Awaitable[bool]],
    most: int = 60,
    now: Callable[[], float] = time.monotonic,
) -> Conversation:
    """Shrink a conversation while it still differs.

    :param differs: holds a conversation with both sides.
    :param most: the maximum of conversations to hold, within 20 seconds.
    :param now: the clock, in seconds.
    """
    tried, until = 0, now() + _SECONDS
    while True:
        for candidate in smaller(conversation):
            if tried == most or now() > until:
                return conversation
            tried += 1
            if await differs(candidate):
                conversation = candidate
                break
        else:
            return conversation


def _answerable(steps: tuple[AnyStep, ...]) -> tuple[AnyStep, ...]:
    """The steps without those that wait for the reply to a request that is no longer sent."""
    sent = {id_of(each.data) for each in steps if isinstance(each, Send)}
    return tuple(
        each
        for each in steps
        if not (isinstance(each, Until) and each.id is not None and key_of(each.id) not in sent)
    )


def _whole(step: AnyStep) -> AnyStep:
    return (
        msgspec.structs.replace(step, cuts=(), pause=False, joined=False) if isinstance(step, Send) else step
    )
