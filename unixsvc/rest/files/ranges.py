"""Byte ranges of a file (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Final, TypeAlias

__all__ = ["MAX_RANGES", "Span", "Unsatisfiable", "parse_ranges"]

Span: TypeAlias = tuple[int, int]
"""The first byte, and the one after the last."""

MAX_RANGES: Final = 32
"""Requests for more ranges are refused: readers of PDF and ZIP files ask for some ten at a time."""

_RANGES: Final = re.compile(rb"bytes[ \t]*=(.*)", re.IGNORECASE)
_RANGE: Final = re.compile(rb"([0-9]*)-([0-9]*)")
# The header of a part of multipart/byteranges takes about as much: closer ranges are sent as one.
_GAP: Final = 128
# No file is larger; int() refuses text of more than 4,300 digits.
_MAX_DIGITS: Final = 18


class Unsatisfiable(Exception):
    """No range is within the file, or there are too many: the response is 416."""


def parse_ranges(values: Sequence[bytes], size: int) -> list[Span] | None:
    """Return the ranges to send: in ascending order, without overlaps, and none close to another.

    :param values: of the header ``Range``.
    :param size: of the file.
    :returns: None if the header is to be ignored: it has an error or another unit, or the ranges together are
        the whole file.
    :raises Unsatisfiable: if the request is to be refused.
    """
    found = _RANGES.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    texts = [text for each in found[1].split(b",") if (text := each.strip(b" \t"))]
    spans = []
    for text in texts[: MAX_RANGES + 1]:
        numbers = _RANGE.fullmatch(text)
        if numbers is None or text == b"-":
            return None
        first, last = _number(numbers[1]), _number(numbers[2])
        if first is not None and last is not None and last < first:
            return None
        if not size and first is None and last:  # all of an empty file, which no Content-Range can express
            return None
        spans.append(_span(first, last, size))
    if not texts:
        return None
    if len(texts) > MAX_RANGES:
        raise Unsatisfiable
    satisfiable = sorted(span for span in spans if span is not None)
    if not satisfiable:
        raise Unsatisfiable
    joined = _join(satisfiable)
    return None if len(texts) > 1 and joined == [(0, size)] else joined


def _number(text: bytes) -> int | None:
    digits = text.lstrip(b"0")
    if not digits:
        return 0 if text else None
    return int(digits) if len(digits) <= _MAX_DIGITS else sys.maxsize


def _span(first: int | None, last: int | None, size: int) -> Span | None:
    """The part of the file that a range stands for; None if there is none."""
    if first is None:  # the last bytes of the file
        return (max(size - last, 0), size) if last else None
    if first >= size:
        return None
    return first, size if last is None else min(last + 1, size)


def _join(spans: Sequence[Span]) -> list[Span]:
    """Unite the ranges that overlap or are close to each other."""
    joined = [spans[0]]
    for start, stop in spans[1:]:
        first, end = joined[-1]
        if start <= end + _GAP:
            joined[-1] = first, max(end, stop)
        else:
            joined.append((start, stop))
    return joined
