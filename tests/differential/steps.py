"""A conversation, written down before it is held: what the client sends, and what it waits for. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

__all__ = [
    "ETAG", "NAMESPACE", "AnyStep", "Conversation", "Drop", "Hold", "Pause", "Read", "Send", "Shut", "Step",
    "Until",
    "drop_group", "groups_of", "pieces_of", "show",
]  # fmt: skip

NAMESPACE: Final = "@NAMESPACE@"
"""Stands in what is sent for something that no other conversation has: gates and keys are named with it."""
ETAG: Final = "@ETAG@"
"""Stands for the ``ETag`` of the last response on the connection."""


class Step(Struct, frozen=True):
    """One thing that the client does.

    :ivar group: steps of one group belong together: they are left out together when a failure is shrunk.
    :ivar on: the number of the connection, which is opened by its first step.
    """

    group: int
    on: int = 0


class Send(Step, frozen=True):
    """Send bytes.

    :ivar cuts: where a packet ends: positions inside the data.
    :ivar pause: whether there is a short pause at each cut, so that the server sees the packets one by one.
    :ivar joined: whether the next bytes of this connection go into the same packet.
    :ivar replies: how many HTTP responses the server owes for it.
    """

    data: bytes = b""
    cuts: tuple[int, ...] = ()
    pause: bool = False
    joined: bool = False
    replies: int = 0


class Until(Step, frozen=True):
    """Wait for something, or for the end of the connection.

    :ivar id: for the reply to the request of this id.
    :ivar items: for so many items of the stream of this id, if not for the ``whole`` of it.
    :ivar responses: for all HTTP responses that are owed.
    :ivar text: for these bytes, anywhere in what has come.
    :ivar closed: for the end of the connection and nothing else.
    """

    id: int | str | None = None
    items: int = 0
    whole: bool = True
    responses: bool = False
    text: bytes = b""
    closed: bool = False


class Shut(Step, frozen=True):
    """Close the sending side."""


class Drop(Step, frozen=True):
    """Close the connection, whatever the server still has to say."""


class Hold(Step, frozen=True):
    """Take nothing more of what the server sends."""


class Read(Step, frozen=True):
    """Take again what the server sends."""


class Pause(Step, frozen=True):
    """Let time pass, for what only time brings about.

    :ivar seconds: how much.
    """

    seconds: float = 0.0


AnyStep = Send | Until | Shut | Drop | Hold | Read | Pause


class Conversation(Struct, frozen=True):
    """All that one client does.

    :ivar seed: from which it was generated.
    :ivar target: the service: its instance and its name, as ``required/main``.
    :ivar http: whether it is HTTP.
    :ivar alone: whether no other conversation may be held with this service meanwhile.
    :ivar name: what it is about, for people.
    :ivar elsewhere: by the number of a connection, another service that it leads to.
    """

    seed: int
    target: str
    steps: tuple[AnyStep, ...]
    http: bool = False
    alone: bool = False
    name: str = ""
    elsewhere: Mapping[int, str] = {}

    @property
    def requests(self) -> int:
        """How many HTTP responses are owed in all."""
        return sum(each.replies for each in self.steps if isinstance(each, Send))


def groups_of(conversation: Conversation) -> list[int]:
    """The groups of its steps, each once, in the order of their first steps."""
    return list(dict.fromkeys(each.group for each in conversation.steps))


def drop_group(conversation: Conversation, group: int) -> Conversation:
    """The conversation without the steps of a group."""
    steps = tuple(each for each in conversation.steps if each.group != group)
    return msgspec.structs.replace(conversation, steps=steps)


def pieces_of(step: Send, data: bytes) -> list[bytes]:
    """The data of a step as packets; the last one may be joined with what follows.

    :param data: that of the step, with what stands for something else filled in.
    """
    edges = [0, *sorted({each for each in step.cuts if 0 < each < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def show(conversation: Conversation) -> str:
    """The conversation as a person reads it."""
    head = f"{conversation.target}, seed {conversation.seed}, {conversation.name}"
    return "\n".join(
        [head, *(f"  {number:3} {_shown(each)}" for number, each in enumerate(conversation.steps))]
    )


def _shown(step: AnyStep) -> str:
    words = [f"[{step.on}]", type(step).__name__.lower()]
    for name in step.__struct_fields__:
        value = getattr(step, name)
        if name in ("group", "on") or value in (b"", (), False, 0, None):
            continue
        words.append(_short(value) if name == "data" else f"{name}={value!r}")
    return " ".join(words)


def _short(data: bytes) -> str:
    text = repr(data)[1:]
    return text if len(text) < 400 else f"{text[:240]} … {text[-60:]} ({len(data)} bytes)"
