"""Shrinks a conversation that differs. Pure: the caller holds the conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec

from tests.differential.steps import AnyStep, Conversation, Send, Until, drop_group, groups_of

__all__ = ["shrink", "smaller"]


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
            steps = conversation.steps[:at] + conversation.steps[at + 1 :]
            yield msgspec.structs.replace(conversation, steps=steps)


async def shrink(
    conversation: Conversation, differs: Callable[[Conversation], Awaitable[bool]], most: int = 60
) -> Conversation:
    """Shrink a conversation while it still differs.

    :param differs: holds a conversation with both sides.
    :param most: the maximum of conversations to hold.
    """
    tried = 0
    while True:
        for candidate in smaller(conversation):
            if tried == most:
                return conversation
            tried += 1
            if await differs(candidate):
                conversation = candidate
                break
        else:
            return conversation


def _whole(step: AnyStep) -> AnyStep:
    return (
        msgspec.structs.replace(step, cuts=(), pause=False, joined=False) if isinstance(step, Send) else step
    )
