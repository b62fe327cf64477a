"""Compares the transcripts of two sides: equal, equal except for texts, or different. Pure."""

from __future__ import annotations

import difflib
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from enum import Enum

from msgspec import Struct

from tests.differential.http_messages import Response, parse_responses
from tests.differential.normalise import header_value, normalised
from tests.differential.progress import Key, ReceivedData, Transcript, id_of, lines_of
from tests.differential.texts import without_html, without_json

__all__ = ["Verdict", "View", "difference", "judge", "renamed", "view_of"]


class Verdict(Enum):
    """The result of a comparison."""

    EQUAL = "equal to the byte"
    TEXTS = "equal but for texts"
    DIFFERENT = "different"


class View(Struct, frozen=True):
    """A transcript, line by line.

    :ivar exact: normalised.
    :ivar structure: normalised, with texts for people replaced.
    """

    exact: tuple[str, ...]
    structure: tuple[str, ...]


def renamed(view: View, names: Mapping[str, str]) -> View:
    """The view with each of these names, where it is a whole word, replaced by its new one."""
    if not names:
        return view
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")

    def replaced(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(pattern.sub(lambda match: names[match[0]], line) for line in lines)

    return View(replaced(view.exact), replaced(view.structure))


def judge(base: View, head: View) -> Verdict:
    """Compare two sides."""
    if base.exact == head.exact:
        return Verdict.EQUAL
    return Verdict.TEXTS if base.structure == head.structure else Verdict.DIFFERENT


def difference(base: View, head: View, width: int = 400) -> str:
    """The difference, for people.

    :param width: the length of an excerpt of a long line, from a little before the first difference.
    """
    structure = base.structure != head.structure
    left, right = (base.structure, head.structure) if structure else (base.exact, head.exact)
    excerpt: list[str] = []
    for line in difflib.unified_diff(left, right, "base", "head", n=1, lineterm=""):
        excerpt.append(line)
    return "\n".join(_shortened(excerpt, width))


def _shortened(lines: Sequence[str], width: int) -> list[str]:
    found = list(lines)
    for at in range(len(found) - 1):
        left, right = found[at], found[at + 1]
        if left[:1] == "-" and right[:1] == "+" and max(len(left), len(right)) > width:
            pairs = zip(left[1:], right[1:], strict=False)
            parting = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
            start = max(0, parting - 80)
            found[at] = f"-…{left[start + 1 :]}"
            found[at + 1] = f"+…{right[start + 1 :]}"
    return [each if len(each) <= width else f"{each[:width]}…" for each in found]


def view_of(transcript: Transcript, *, http: bool) -> View:
    """A transcript in the form that is compared."""
    late = tuple(f"waited in vain at step {number}" for number in transcript.late)
    exact: list[str] = []
    structure: list[str] = []
    for received in transcript.received:
        view = _http_view(received) if http else _socket_view(received)
        exact += (f"[{received.on}] {line}" for line in view.exact)
        structure += (f"[{received.on}] {line}" for line in view.structure)
    return View((*exact, *late), (*structure, *late))


def _socket_view(received: ReceivedData) -> View:
    if received.end == "dropped":  # what was received before the disconnect depends on time
        return View(("dropped",), ("dropped",))
    lines, rest = lines_of(received.data)
    bare: list[bytes] = []
    named: dict[Key, list[bytes]] = {}
    for line in lines:
        key = id_of(line)
        if key is None:
            bare.append(line)
        else:
            named.setdefault(key, []).append(line)
    told = [(f"id {key[1]!r}", each) for key in sorted(named, key=repr) for each in named[key]]
    told += [("bare", each) for each in bare]
    told += [("no line end", rest)] if rest else []
    exact = [f"{label}: {normalised(data)!r}" for label, data in told]
    structure = [f"{label}: {without_json(normalised(data))!r}" for label, data in told]
    return View((*exact, received.end), (*structure, received.end))


def _http_view(received: ReceivedData) -> View:
    if received.end == "dropped":
        return View(("dropped",), ("dropped",))
    responses, rest = parse_responses(received.data, received.methods)
    exact: list[str] = []
    structure: list[str] = []
    for number, each in enumerate(responses):
        exact += (f"{number}: {line}" for line in _response_lines(each, texts=True))
        structure += (f"{number}: {line}" for line in _response_lines(each, texts=False))
    left = f"left: {rest!r}"
    return View((*exact, left, received.end), (*structure, left, received.end))


def _response_lines(response: Response, *, texts: bool) -> list[str]:
    body = normalised(response.body)
    changed = body != response.body
    if not texts:
        plain = _without_texts(response, body)
        changed, body = changed or plain != body, plain
    lines = [response.line.decode("latin-1")]
    # The generated id of a request is in the body of an error.
    exact = not response.header(b"content-type").startswith(b"application/problem") or (
        header_value(b"X-Request-Id", response.header(b"x-request-id")) != b"ID"
    )
    for name, value in response.headers:
        normal = header_value(name, value)
        lower = name.lower()
        if lower == b"content-length" and changed and value == b"%d" % len(response.body):
            normal = b"RIGHT"
        if lower == b"etag" and not texts:
            normal = b"ETAG"
        if lower == b"content-length" and response.framing == "none" and not (texts and exact):
            normal = b"THAT OF GET"  # whose body may have texts, or a generated id
        lines.append(f"{name.decode('latin-1')}: {normal.decode('latin-1')}")
    ending = "" if response.whole or response.framing == "close" else ", not whole"
    return [*lines, f"body ({response.framing}{ending}): {body!r}"]


def _without_texts(response: Response, body: bytes) -> bytes:
    """The body with its texts replaced."""
    if response.header(b"content-encoding") == b"gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return body
    kind = response.header(b"content-type").partition(b";")[0].strip().lower()
    if kind == b"text/html":
        return without_html(body)
    if kind.endswith(b"json"):
        return without_json(body)
    if kind in (b"application/jsonl", b"text/event-stream"):
        return b"\n".join(_line_without_texts(each) for each in body.split(b"\n"))
    return body


def _line_without_texts(line: bytes) -> bytes:
    name, colon, value = line.partition(b"data: ")
    return name + colon + without_json(value) if colon and not name else without_json(line)
