"""The reference lists each message of the program with its cause and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import unixsvc
from tests.unit.support.message_texts import OTHER_TEXTS, message_texts

PAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "messages"
PACKAGE: Final = Path(str(unixsvc.__file__)).parent

_ENTRY: Final = re.compile(
    r"^\.\. message:: (?P<names>.+\n(?: {13}.+\n)*)\n(?P<cause>(?:   \S.*\n)+)\n   :Action: (?P<action>.+)",
    re.MULTILINE,
)
_VALUE: Final = re.compile(r"\{[A-Z]+\}")

MODULE: Final = '''
"""About the module."""
MISSING = "no such thing"

@option("--all", help="Show all of them.")
def find(name):
    """Find a thing."""
    remedy = "look elsewhere"
    where = f"the file {name}"
    execute("SELECT a FROM b")
    log.warn("{name!r} is {age:.1f} s old", name=name, age=age)
    log.emit("warn", "some kind", "a limited message")
    helper("a text", key=dict(field="id", message="is too long"))
    raise ConfigError("the file", f"has {n} letter{'' if n == 1 else 's'}: {why or 'not known'}", "remedy it")

class Named(Error, message="No name"):
    def __repr__(self):
        return f"<Named {self.name}>"
'''


class Entry(NamedTuple):
    """What a page says about one or more messages."""

    names: list[str]
    cause: str
    action: str


class MessagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Read the source and the pages."""
        self.other = {text for texts in OTHER_TEXTS.values() for text in texts}
        self.source = _source()
        self.entries = [entry for page in sorted(PAGES.glob("*.rst")) for entry in _entries(page)]
        self.names = [name for entry in self.entries for name in entry.names]
        self.listed = {_VALUE.sub("{}", name) for name in self.names}

    def test_listed(self) -> None:
        """Each message in the source is on a page; a text that is no message is in a table of exceptions."""
        self.assertGreater(len(self.source), 400)
        missing = self.source.keys() - self.other - self.listed
        self.assertEqual([], sorted(f"{self.source[each]}: {each}" for each in missing))

    def test_in_source(self) -> None:
        """Each message on a page is in the source; so is each exception."""
        self.assertEqual([], sorted((self.listed | self.other) - self.source.keys()))

    def test_once(self) -> None:
        """A message is listed once, unless its values mean something else; no message is an exception too."""
        self.assertEqual([], [each for each, times in Counter(self.names).items() if times > 1])
        self.assertEqual(set(), self.other & self.listed)

    def test_explained(self) -> None:
        """Each entry has a cause and an action; none is overlooked because of its form."""
        directives = sum(page.read_text("utf-8").count(".. message::") for page in PAGES.glob("*.rst"))
        self.assertEqual(len(self.entries), directives)
        for entry in self.entries:
            self.assertGreater(len(entry.cause.split()), 3, entry.names)
            self.assertTrue(entry.action.strip(), entry.names)

    def test_one_line(self) -> None:
        """A message is one line."""
        self.assertEqual([], [each for each in self.source.keys() - self.other if "\n" in each])


class MessageTextsTests(SynchronousTestCase):
    def test_found(self) -> None:
        """Messages are found in constants, calls, log lines and nested values; remedies and help are not."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "module.py").write_text(MODULE, "utf-8")
        expected = [
            "no such thing",
            "{} is {} s old",
            "a limited message",
            "a text",
            "is too long",
            "has {} letters: {}",
            "not known",
        ]
        self.assertEqual(expected, [each.template for each in message_texts(folder)])


@cache
def _source() -> dict[str, str]:
    return {each.template: each.place for each in message_texts(PACKAGE)}


def _entries(page: Path) -> Iterator[Entry]:
    for found in _ENTRY.finditer(page.read_text("utf-8")):
        names = [line.strip() for line in found["names"].splitlines()]
        yield Entry(names, found["cause"], found["action"])
