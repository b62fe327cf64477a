"""The steps of a conversation: what the client sends, and the events that it waits for. Pure."""

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
    """One step of the client.

    :ivar group: steps of one group belong together: shrinking removes them together.
    :ivar on: the number of the connection, which is opened by its first step.
    """

    group: int
    on: int = 0


class Send(Step, frozen=True):
    """Send bytes.

    :ivar cuts: the ends of packets, as positions in the data.
    :ivar pause: whether there is a short pause at each cut, so that the server reads the packets one by one.
    :ivar joined: whether the next bytes of this connection are in the same packet.
    :ivar replies: the number of HTTP responses to it.
    """

    data: bytes = b""
    cuts: tuple[int, ...] = ()
    pause: bool = False
    joined: bool = False
    replies: int = 0


class Until(Step, frozen=True):
    """Wait for an event, or for the end of the connection.

    :ivar id: the reply to the request with this id.
    :ivar items: this number of items of the stream with this id, if not the ``whole`` stream.
    :ivar responses: all pending HTTP responses.
    :ivar text: these bytes, anywhere in the received data.
    :ivar closed: the end of the connection only.
    """

    id: int | str | None = None
    items: int = 0
    whole: bool = True
    responses: bool = False
    text: bytes = b""
    closed: bool = False


class Shut(Step, frozen=True):
    """Shut down the sending side."""


class Drop(Step, frozen=True):
    """Close the connection, even if replies are pending."""


class Hold(Step, frozen=True):
    """Stop reading."""


class Read(Step, frozen=True):
    """Resume reading."""


class Pause(Step, frozen=True):
    """Let time pass, for events that only depend on time.

    :ivar seconds: the duration.
    """

    seconds: float = 0.0


AnyStep = Send | Until | Shut | Drop | Hold | Read | Pause


class Conversation(Struct, frozen=True):
    """All steps of one client.

    :ivar seed: the seed that it was generated from.
    :ivar target: the service: its instance and its name, as ``required/main``.
    :ivar http: whether it is HTTP.
    :ivar alone: whether no other conversation may be held with this service meanwhile.
    :ivar name: a title for people.
    :ivar elsewhere: another service for a connection, by its number.
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
        """The number of HTTP responses to the whole conversation."""
        return sum(each.replies for each in self.steps if isinstance(each, Send))


def groups_of(conversation: Conversation) -> list[int]:
    """The groups of its steps, in the order of their first steps."""
    return list(dict.fromkeys(each.group for each in conversation.steps))


def drop_group(conversation: Conversation, group: int) -> Conversation:
    """The conversation without the steps of a group."""
    steps = tuple(each for each in conversation.steps if each.group != group)
    return msgspec.structs.replace(conversation, steps=steps)


def pieces_of(step: Send, data: bytes) -> list[bytes]:
    """The data of a step as packets; the last one may be joined with the next step's.

    :param data: that of the step, with placeholders replaced.
    """
    edges = [0, *sorted({each for each in step.cuts if 0 < each < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def show(conversation: Conversation) -> str:
    """The conversation in a readable form."""
    head = f"{conversation.target}, seed {conversation.seed}, {conversation.name}"
    return "\n".join(
        [head, *(f"  {number:3} {_text_of(each)}" for number, each in enumerate(conversation.steps))]
    )


def _text_of(step: AnyStep) -> str:
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
