"""Framing: the same messages however the bytes are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from hypothesis import strategies as st

from tests.fuzz.strategies import JSON, NASTY, TEXT, Cuts, cut, cuts, damaged
from tests.fuzz.target import Crash, Target
from unixsvc.errors import TooLarge
from unixsvc.wire.framing import MessageFramer

__all__ = ["FRAMING"]

_MAX_BYTES: Final = 4096
_MESSAGES = st.dictionaries(TEXT, JSON, max_size=4).map(lambda value: msgspec.json.encode(value) + b"\n")
_STREAMS = st.lists(_MESSAGES | damaged(_MESSAGES) | NASTY, max_size=6).map(b"".join)


def _frame(pieces: Sequence[bytes]) -> tuple[list[bytes], bytes | None]:
    """The messages, and the rest; None for the rest if a message was too long."""
    framer = MessageFramer(_MAX_BYTES)
    found: list[bytes] = []
    try:
        for piece in pieces:
            messages = framer.take(3, piece)
            while messages:
                found += messages
                messages = framer.take(3)
            if framer.size > _MAX_BYTES:
                raise Crash(f"keeps {framer.size} bytes")
        return found, framer.take_rest()
    except TooLarge:
        return found, None


def _run(case: tuple[bytes, Cuts]) -> Mapping[str, int]:
    data, places = case
    at_once, in_pieces = _frame([data]), _frame(cut(data, places))
    if None in (at_once[1], in_pieces[1]):
        # Lines that arrive before the one that is too long may be taken earlier.
        shorter, longer = sorted((at_once[0], in_pieces[0]), key=len)
        if at_once[1] is not in_pieces[1] or longer[: len(shorter)] != shorter:
            raise Crash(f"at once {at_once}, in pieces {in_pieces}")
        return {"too large": 1}
    if at_once != in_pieces:
        raise Crash(f"at once {at_once}, in pieces {in_pieces}")
    return {"messages": len(at_once[0])}


FRAMING: Final = Target("framing", st.tuples(_STREAMS, cuts), _run)
