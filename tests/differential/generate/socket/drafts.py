"""Scenes of a conversation on a socket before they are encoded, and their encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from msgspec import Struct

from tests.differential.generate.values import SampleRequest
from tests.differential.steps import NAMESPACE, AnyStep, Drop, Hold, Pause, Read, Send, Shut, Until

__all__ = [
    "TOKEN",
    "WRONG_TOKEN",
    "Draft",
    "Id",
    "Scene",
    "cut_places",
    "encoded",
    "ids",
    "rendered",
    "woven",
]

TOKEN: Final = "0123456789abcdef" * 4
WRONG_TOKEN: Final = "f" * 64

Id = int | str


class Draft(Struct, frozen=True):
    """One message.

    :ivar fields: its fields; None if it is only bytes.
    :ivar raw: the bytes, without a line end.
    :ivar end: the line end.
    """

    group: int
    on: int = 0
    fields: dict[str, Any] | None = None
    raw: bytes = b""
    end: bytes = b"\n"


class Scene:
    """Steps that belong together, in their order.

    :param random: the source of randomness.
    :param group: the number of this scene.
    :param new_id: returns an id that is unique in the conversation.
    :param prefix: the prefix of each path, for a service that mounts another one.
    """

    def __init__(self, random: Random, group: int, new_id: Callable[[], Id], prefix: str = "") -> None:
        self.random = random
        self.new_id = new_id
        self.prefix = prefix
        self.steps: list[Draft | AnyStep] = []
        self._group = group
        self.gate = f"{NAMESPACE}{group}"

    def say(self, on: int = 0, /, **fields: Any) -> None:
        """Send a message unchanged."""
        if isinstance(fields.get("path"), str):
            fields["path"] = self.prefix + fields["path"]
        self.steps.append(Draft(self._group, on, fields))

    def ask(self, path: str, method: str = "", on: int = 0, /, **fields: Any) -> Id:
        """Send a request with an id."""
        found = self.new_id()
        self.say(on, id=found, path=path, **({"method": method} if method else {}), **fields)
        return found

    def ask_for(self, sample: SampleRequest, **fields: Any) -> None:
        """Send a request, with or without an id."""
        if self.prefix and sample.path == "/fail/broken":
            return  # the services share a connection, and others would lose their replies with it
        sent: dict[str, Any] = {"path": sample.target, **fields}
        if sample.method != "GET" or self.random.random() < 0.5:
            sent["method"] = sample.method
        if sample.data is not None:
            sent["data"] = sample.data
        if sample.path.startswith("/large/"):
            # Behind 64 KiB of replies that wait for a gate, the request that opens it would not be read.
            sent["id"] = self.new_id()
        self.say(**sent)

    def send(self, data: bytes, end: bytes = b"\n", on: int = 0) -> None:
        """Send bytes as a message."""
        self.steps.append(Draft(self._group, on, None, data, end))

    def until(self, id: Id, items: int | None = None, on: int = 0) -> None:
        """Wait for a reply, or for a number of items, which may be 0."""
        self.steps.append(Until(self._group, on, id=id, items=items or 0, whole=items is None))

    def sync(self, on: int = 0) -> None:
        """Wait until the server has processed everything sent before."""
        self.until(self.ask("/-/ping", "", on), on=on)

    def answer(self, path: str, method: str = "", on: int = 1, /, **fields: Any) -> None:
        """Send a request on another connection, and wait for its reply."""
        self.until(self.ask(path, method, on, auth_token=TOKEN, **fields), on=on)

    def open(self, gate: str = "", on: int = 0) -> Id:
        """Open a gate."""
        return self.ask(f"/gate/{gate or self.gate}/open", "POST", on)

    def closed(self, on: int = 0) -> None:
        """Wait for the end of the connection."""
        self.steps.append(Until(self._group, on, closed=True))

    def text(self, text: bytes, on: int = 0) -> None:
        """Wait for these bytes."""
        self.steps.append(Until(self._group, on, text=text))

    def shut(self, on: int = 0) -> None:
        """Close the sending side."""
        self.steps.append(Shut(self._group, on))

    def drop(self) -> None:
        """Close the connection."""
        self.steps.append(Drop(self._group))

    def hold(self) -> None:
        """Stop reading replies."""
        self.steps.append(Hold(self._group))

    def read(self) -> None:
        """Resume reading replies."""
        self.steps.append(Read(self._group))

    def pause(self, seconds: float, on: int = 0) -> None:
        """Let time pass."""
        self.steps.append(Pause(self._group, on, seconds=seconds))


def ids(random: Random) -> Callable[[], Id]:
    """A source of unique ids of all types."""
    count = random.randrange(50)

    def new() -> Id:
        nonlocal count
        count += 1
        kind = random.randrange(10)
        if kind < 5:
            return count
        return (str(count), f"ä{count}", -count, 2**53 + count, f'"{count}\n')[kind - 5]

    return new


def encoded(random: Random, fields: dict[str, Any]) -> bytes:
    """A message as JSON in a random notation, without its line end."""
    names = list(fields)
    if random.random() < 0.3:
        random.shuffle(names)
    text = json.dumps(
        {name: fields[name] for name in names},
        ensure_ascii=random.random() < 0.5,
        separators=random.choice(((",", ":"), (", ", ": "), (" ,  ", "\t:"))),
    )
    if random.random() < 0.05:
        text = f" {text}\t"
    return text.encode()


def woven(random: Random, scenes: Sequence[Sequence[Draft | AnyStep]]) -> list[Draft | AnyStep]:
    """The steps of several scenes, interleaved at random; each scene keeps its order."""
    left = [list(each) for each in scenes if each]
    found: list[Draft | AnyStep] = []
    while left:
        chosen = random.choice(left)
        for _ in range(random.choice((1, 1, 2, 4))):
            if chosen:
                found.append(chosen.pop(0))
        left = [each for each in left if each]
    return found


def rendered(
    random: Random, drafts: Sequence[Draft | AnyStep], token: Callable[[int], str | None]
) -> tuple[AnyStep, ...]:
    """The steps with their bytes, cut into packets at random.

    :param token: the token for the next message of a connection, by its number, if any.
    """
    steps: list[AnyStep] = []
    framed: set[int] = set()
    style = random.choice((0.0, 0.0, 0.05, 0.3))  # the probability of a cut
    joins = random.choice((0.0, 0.5, 0.95))
    for draft in drafts:
        if not isinstance(draft, Draft):
            steps.append(draft)
            continue
        data = draft.raw
        if draft.fields is not None:
            value = token(draft.on)
            fields = draft.fields if value is None else {"auth_token": value, **draft.fields}
            data = encoded(random, fields)
        data += draft.end
        cuts = () if random.random() > style else cut_places(random, data, first=draft.on not in framed)
        if b"\n" in data:
            framed.add(draft.on)
        joined = draft.on in framed and random.random() < joins
        steps.append(Send(draft.group, draft.on, data, cuts, random.random() < 0.3, joined))
    return tuple(steps)


def cut_places(random: Random, data: bytes, *, first: bool = False) -> tuple[int, ...]:
    """Random positions of cuts.

    :param first: whether no line end was sent before. Then bytes that end with a brace may be a message of
        the original protocol if they arrive alone, which depends on time, so there is no cut.
    """
    if len(data) < 2:
        return ()
    most = 400 if len(data) < 400 and random.random() < 0.1 else random.choice((1, 2, 5))
    places = {random.randrange(1, len(data)) for _ in range(most)}
    if first:
        line = data.partition(b"\n")[0]
        places = {each for each in places if each > len(line) or not line[:each].rstrip().endswith(b"}")}
    return tuple(sorted(places))
