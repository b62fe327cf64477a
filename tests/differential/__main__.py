"""``python -m tests.differential BASE HEAD``: compare two revisions by the same conversations."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.differential.compare import Verdict
from tests.differential.engine import Engine
from tests.differential.generate.cli.commands import commands
from tests.differential.generate.http.conversations import abuse_conversations, http_conversation
from tests.differential.generate.socket.conversations import socket_conversation
from tests.differential.sides import INSTANCES, Program, Side, SideError
from tests.differential.steps import Conversation, show

_PARTS: Final = ("socket", "http", "cli")
_CALLS: Final = 40  # commands with random requests
_INSTALLED: Final = "installed"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential",
        description="Hold the same random conversations with two revisions, and compare what comes back.",
        epilog="Exit code: 1 if anything but texts is different, 2 if a revision cannot be run, else 0.",
    )
    what = f"a revision of git, a folder with a working tree, or {_INSTALLED!r}"
    parser.add_argument("base", metavar="BASE", help=what)
    parser.add_argument("head", metavar="HEAD", help="likewise")
    parser.add_argument("--conversations", type=int, default=2000, help="on sockets (default: %(default)s)")
    parser.add_argument(
        "--requests", type=int, default=500, help="over HTTP, at least (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first conversation; the others follow")
    parser.add_argument("--only", choices=_PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--target", default="", help="services whose names begin like this: required/main")
    parser.add_argument(
        "--texts",
        choices=("ignore", "show", "exact"),
        default="ignore",
        help="texts for people that differ: only count them, show them, or take them for differences",
    )
    parser.add_argument(
        "--renamed",
        metavar="OLD=NEW",
        type=_renaming,
        action="append",
        default=[],
        help="a name, as of a schema, that HEAD changed on purpose: it is replaced in what BASE sends",
    )
    return parser.parse_args()


def _renaming(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise argparse.ArgumentTypeError(f"{text!r}: expected OLD=NEW")
    return old, new


def _program(name: str) -> Program:
    if name == _INSTALLED:
        python = Path(sys.executable)
        return Program(name, python, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    from bench.revisions import prepare, working_tree  # late: an installed distribution has no revisions

    revision = working_tree(name) if Path(name, "unixsvc").is_dir() else prepare(name)
    return Program(name, revision.python, revision.environment())


def _socket(options: argparse.Namespace) -> Iterator[Conversation]:
    for number in range(options.conversations):
        conversation = socket_conversation(options.seed + number)
        if conversation.target.startswith(options.target):
            yield conversation


def _http(options: argparse.Namespace) -> Iterator[Conversation]:
    left, seed = options.requests, options.seed
    while left > 0:
        conversation = http_conversation(seed)
        seed += 1
        if conversation.target.startswith(options.target):
            yield conversation
            left -= conversation.requests
    if options.requests > 1 and "required/http".startswith(options.target):
        yield from abuse_conversations(options.seed)


async def _compare(options: argparse.Namespace, base: Program, head: Program) -> int:
    instances = [each for each in INSTANCES if options.target.startswith(each)] or list(INSTANCES)
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        left, right = Side(base, Path(folder, "base"), instances), Side(head, Path(folder, "head"), instances)
        async with left, right:
            engine = Engine(left, right, _say, dict(options.renamed))
            for part in options.only or _PARTS:
                if part == "cli":  # the tool replaces workers on purpose
                    _report_exits(left, right)
                await _run(part, options, engine)
            if "cli" not in (options.only or _PARTS):
                _report_exits(left, right)
    return _conclude(options, engine)


async def _run(part: str, options: argparse.Namespace, engine: Engine) -> None:
    before, started = engine.counts.copy(), time.monotonic()
    if part == "cli":
        await engine.run_commands(commands(options.seed, _CALLS))
    else:
        await engine.run(_socket(options) if part == "socket" else _http(options))
    counts = ", ".join(f"{engine.counts[each] - before[each]} {each.value}" for each in Verdict)
    _say(f"{part}: {counts}; {time.monotonic() - started:.0f} s")


def _report_exits(*sides: Side) -> None:
    for side in sides:
        for name in side.died():
            _say(f"{side.program.name}: a worker of {name} has died")


def _conclude(options: argparse.Namespace, engine: Engine) -> int:
    for each in engine.timed_out:
        _say(f"\nWAITED IN VAIN, on both sides: {show(each)}")
    if options.texts != "ignore":
        for text in engine.texts:
            _say(f"\nTEXTS: {text}")
    counts = ", ".join(f"{engine.counts[each]} {each.value}" for each in Verdict)
    _say(f"{engine.requests} HTTP requests; in all: {counts}")
    failed = engine.counts[Verdict.DIFFERENT] or (options.texts == "exact" and engine.counts[Verdict.TEXTS])
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # its output


def main() -> int:
    """Run the tool; returns its exit code."""
    options = _options()
    try:
        return asyncio.run(_compare(options, _program(options.base), _program(options.head)))
    except SideError as error:
        _say(f"differential: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
