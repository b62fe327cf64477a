"""Strategies that several targets use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st
from msgspec import Struct

__all__ = ["JSON", "NASTY", "TEXT", "Cuts", "cut", "cuts", "damaged"]

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
NASTY: Final = st.sampled_from((
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\n", b"\r\n", b"\r", b"\\", b'"', b"{", b"}", b"[" * 2000,
    b'{"a":' * 2000, b"1e999", b"-0", b"9" * 400, b"NaN", b"\\ud800", b"%", b"%00", b"%2f", b"%c3",
    b" " * 300, b"\xef\xbb\xbf", b"../", b"//", b"?", b"#", b"&", b"=", b";", b",", b":", b"\t",
    b"\x7f", b"--",
))  # fmt: skip
"""Bytes that have broken parsers."""

Cuts = list[int]
cuts: Final[st.SearchStrategy[Cuts]] = st.lists(st.integers(0, 100_000), max_size=6)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut data at these places, modulo its length."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class _Edit(Struct, frozen=True):
    """Replaces bytes.

    :ivar where: the place, modulo the length.
    :ivar removed: the number of bytes that are removed there.
    """

    where: int
    removed: int
    added: bytes


_EDITS = st.lists(
    st.builds(_Edit, st.integers(0, 100_000), st.integers(0, 8), NASTY | st.binary(max_size=8)),
    min_size=1,
    max_size=3,
)


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes with one to three edits anywhere."""
    return st.builds(_apply, whole, _EDITS)


def _apply(data: bytes, edits: list[_Edit]) -> bytes:
    for edit in edits:
        where = edit.where % (len(data) + 1)
        data = data[:where] + edit.added + data[where + edit.removed :]
    return data
