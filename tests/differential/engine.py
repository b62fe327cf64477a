"""Holds conversations with both sides, several at a time, and compares the results."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from tests.differential.client import hold
from tests.differential.commands import command_view, run_command, write_files
from tests.differential.compare import Verdict, View, difference, judge, renamed, view_of
from tests.differential.generate.cli.commands import Command
from tests.differential.shrink import shrink
from tests.differential.sides import Side
from tests.differential.steps import Conversation, show

__all__ = ["Engine", "Finding"]

_AT_A_TIME = 12
_AGAIN = 3  # number of repetitions of a conversation that differs
_SHOWN = 6  # number of differences of one part that are shrunk; further ones are only named
_SHORT = 2.0  # time-out in seconds for a conversation that is known to differ


class Finding(Struct, frozen=True):
    """A difference, as people read it.

    :ivar what: the conversation, or the command.
    :ivar steady: whether it differed again; None if it was not repeated.
    """

    what: str
    difference: str
    steady: bool | None = None

    def __str__(self) -> str:
        again = f"\n(not again in {_AGAIN} further tries)" if self.steady is False else ""
        return f"{self.what}{again}\n{self.difference}\n"


class Engine:
    """Two sides.

    :param say: called with each finding at once.
    :param names: names in what the base sends, each with the one that the head uses instead.
    :ivar counts: the number of each verdict.
    :ivar timed_out: conversations in which both sides timed out: a defect of the generator.
    :ivar requests: the number of HTTP requests that were answered.
    """

    def __init__(self, base: Side, head: Side, say: Callable[[str], None], names: Mapping[str, str]) -> None:
        self._names = names
        self._sides = (base, head)
        self._say = say
        self._runs = itertools.count()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open = asyncio.Semaphore(_AT_A_TIME)
        self.counts: Counter[Verdict] = Counter()
        self.findings: list[Finding] = []
        self.texts: list[Finding] = []
        self.timed_out: list[Conversation] = []
        self.requests = 0

    async def run(self, conversations: Iterable[Conversation]) -> None:
        """Hold these conversations."""
        different: list[tuple[Conversation, str]] = []
        waiting: set[asyncio.Task[None]] = set()
        for each in conversations:
            await self._open.acquire()
            task = asyncio.create_task(self._one(each, different))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        for conversation, found in different[:_SHOWN]:  # alone, so that no other conversation interferes
            await self._report(conversation, found)
        for conversation, _ in different[_SHOWN:]:
            self._say(f"DIFFERENT, too: {conversation.target}, seed {conversation.seed}, {conversation.name}")

    async def _one(self, conversation: Conversation, different: list[tuple[Conversation, str]]) -> None:
        try:
            base, head, late = await self._both(conversation)
        finally:
            self._open.release()
        verdict = judge(base, head)
        self.counts[verdict] += 1
        self.requests += conversation.requests
        if verdict is Verdict.DIFFERENT:
            different.append((conversation, difference(base, head)))
        elif verdict is Verdict.TEXTS:
            self.texts.append(Finding(show(conversation), difference(base, head)))
        elif late:
            self.timed_out.append(conversation)

    async def _both(self, conversation: Conversation, timeout: float = 15.0) -> tuple[View, View, bool]:
        """Hold a conversation with both sides at once."""
        if conversation.alone:
            async with self._locks[conversation.target]:
                return await self._hold(conversation, timeout)
        return await self._hold(conversation, timeout)

    async def _hold(self, conversation: Conversation, timeout: float) -> tuple[View, View, bool]:
        namespace = f"n{conversation.seed % 0x1000000:06x}{next(self._runs) % 10_000:04d}"
        transcripts = await asyncio.gather(
            *(hold(conversation, each.address, namespace, timeout) for each in self._sides)
        )
        base, head = (view_of(each, http=conversation.http) for each in transcripts)
        return renamed(base, self._names), head, any(each.late for each in transcripts)

    async def _report(self, conversation: Conversation, found: str) -> None:
        """Repeat a conversation that differs, and shrink it."""

        async def differs(candidate: Conversation) -> bool:
            base, head, _ = await self._both(candidate, _SHORT)
            return judge(base, head) is Verdict.DIFFERENT

        steady = False
        for _ in range(_AGAIN):
            if await differs(conversation):
                steady = True
                break
        if steady:
            conversation = await shrink(conversation, differs)
            base, head, _ = await self._both(conversation, _SHORT)
            found = difference(base, head) or found
        self._found(Finding(show(conversation), found, steady))

    async def run_commands(self, commands: Iterable[Command]) -> None:
        """Run these commands one after the other, as some change the output of others."""
        for side in self._sides:
            write_files(side)
        for each in commands:
            outcomes = await asyncio.gather(*(run_command(each, side) for side in self._sides))
            base, head = (command_view(each, outcome) for outcome in outcomes)
            base = renamed(base, self._names)
            verdict = judge(base, head)
            self.counts[verdict] += 1
            if verdict is Verdict.DIFFERENT:
                self._found(Finding(str(each), difference(base, head)))
            elif verdict is Verdict.TEXTS:
                self.texts.append(Finding(str(each), difference(base, head)))

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._say(f"\nDIFFERENT: {finding}")
