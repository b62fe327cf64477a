"""The texts of a page: what commands print, and changes of files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Step", "apply_diff", "matches", "steps_of"]


class Step(Struct, frozen=True):
    """One command of a session and what it is said to print; with ``...`` for what may be anything."""

    command: str
    output: str


def steps_of(session: str) -> Iterator[Step]:
    """The commands of a session: what follows ``$``, continued on the next line after a backslash.

    :raises AssertionError: if it does not start with a command.
    """
    command = ""
    output: list[str] = []
    for line in session.splitlines():
        if command.endswith("\\") and not output:
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield Step(command, "\n".join(output))
            command, output = line[2:], []
        elif not command:
            raise AssertionError(f"a shell session starts with '$ ', not with {line!r}")
        else:
            output.append(line)
    yield Step(command, "\n".join(output).strip("\n"))


def matches(expected: str, found: str, *, numbers: bool = True) -> bool:
    """Whether a text is the expected one, where ``...`` and ``…`` stand for anything.

    :param numbers: whether numbers have to be the same.
    """
    expected, found = _normal(expected, numbers), _normal(found, numbers)
    # A line of its own may stand for several lines or for none.
    pattern = re.escape(expected).replace(re.escape("..."), "…")
    pattern = re.sub(r"(?m)^…\\\n", "(?:.*\n)*", pattern)
    pattern = re.sub(r"\\\n…\Z", "(?:\n.*)*", pattern).replace("…", ".*")
    return re.fullmatch(pattern, found) is not None


def apply_diff(text: str, diff: str) -> str:
    """A text after a change.

    Each part of the change has unchanged lines (after a space), removed ones (``-``) and added ones (``+``).
    The line ``@@ WORDS`` begins a part, which is looked for after the first line with these words, else after
    the part before.

    :raises AssertionError: if a part does not fit.
    """
    lines, at = text.split("\n"), 0
    for part in re.split(r"(?m)^(?=@@ )", diff.strip("\n")):
        heading, _, body = part.partition("\n") if part.startswith("@@ ") else ("", "", part)
        changes = body.rstrip("\n").split("\n")
        if heading:
            words = heading.removeprefix("@@ ")
            at = next((number for number, line in enumerate(lines) if words in line), -1)
            assert at >= 0, f"there is no {words!r}"
        old = [line[1:] for line in changes if not line.startswith("+")]
        new = [line[1:] for line in changes if not line.startswith("-")]
        places = [start for start in range(at, len(lines)) if lines[start : start + len(old)] == old]
        assert places, f"does not fit:\n{part}"
        at = places[0]
        lines[at : at + len(old)] = new
        at += len(new)
    return "\n".join(lines)


def _normal(text: str, numbers: bool) -> str:
    text = re.sub(" +", " ", text)  # columns are as wide as what is in them
    if numbers:
        return text
    # Durations have their two largest units: the time to a tick is "7h 42m" or "36m 15s" by the time of day.
    text = re.sub(r"\b[0-9]+[dhms]( [0-9]+[hms])?\b", "0s", text)
    return re.sub(r"[0-9]+(\.[0-9]+)?", "0", text)
