"""Splitting bytes into messages, however they were cut."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import TooLarge
from unixsvc.wire.framing import MessageFramer

_TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(_TEXT, _JSON, max_size=5)


def _encoded(value: object, ascii_only: bool = True) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode()


def _cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    pieces, start = [], 0
    for end in ends:
        pieces.append(data[start:end])
        start = end
    return pieces


def _messages(framer: MessageFramer, pieces: Iterable[bytes], most: int = 3) -> list[bytes]:
    found = []
    for piece in pieces:
        messages = framer.take(most, piece)
        while messages:
            found += messages
            messages = framer.take(most)
    return found


class LinesTests(SynchronousTestCase):
    """Messages that end with a line end."""

    @given(st.lists(_OBJECTS, max_size=8), st.booleans(), st.lists(st.integers(0), max_size=30))
    def test_cut_anywhere(self, objects: list[object], ascii_only: bool, places: list[int]) -> None:
        """Any messages, cut anywhere, arrive unchanged."""
        messages = [_encoded(each, ascii_only) for each in objects]
        stream = b"".join(each + b"\n" for each in messages)
        self.assertEqual(_messages(MessageFramer(1 << 20), _cut(stream, places)), messages)

    @given(st.lists(_OBJECTS, max_size=5))
    def test_byte_by_byte(self, objects: list[object]) -> None:
        """Messages arrive unchanged byte by byte."""
        messages = [_encoded(each) for each in objects]
        stream = b"".join(each + b"\n" for each in messages)
        pieces = [stream[at : at + 1] for at in range(len(stream))]
        self.assertEqual(_messages(MessageFramer(1 << 20), pieces), messages)

    def test_large_pieces(self) -> None:
        """Large messages in large pieces arrive unchanged, with or without an end in a piece."""
        messages = [bytes([65 + number]) * 50_000 for number in range(4)]
        stream = b"".join(each + b"\n" for each in messages)
        for size in (17_000, 20_000, 50_001, 120_000, len(stream)):
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assertEqual(_messages(MessageFramer(60_000), pieces), messages, size)
            with self.assertRaises(TooLarge):
                _messages(MessageFramer(49_999), pieces)
        framer = MessageFramer(60_000)
        framer.append(messages[0][:20_000])
        self.assertEqual(framer.take(9, messages[0][20_000:]), [])
        self.assertEqual(framer.take(9, b"\n"), messages[:1])

    def test_fed_before_all_is_taken(self) -> None:
        """Bytes that are appended come after the messages that are still there."""
        for most in (1, 2, 3):
            framer = MessageFramer(100)
            self.assertEqual(framer.take(1, b"1\n2\n3"), [b"1"])
            framer.append(b"3\n")
            found = framer.take(most, b"4\n")
            self.assertEqual((found + framer.take(3), framer.take(3)), ([b"2", b"33", b"4"], []))

    @given(st.lists(st.binary(max_size=3), max_size=9), st.integers(0, 9), st.integers(1, 9))
    def test_put_back(self, parts: list[bytes], served: int, most: int) -> None:
        """Messages that are put back come again, in front of everything after them."""
        stream = b"\n".join(parts)
        framer, found = MessageFramer(3), list[bytes]()
        taken = framer.take(most, stream)
        framer.put_back(taken[served:])
        found += taken[:served]
        framer.append(b"\n7\n")
        found += _messages(framer, [b""])
        self.assertEqual(found, (stream + b"\n7\n").split(b"\n")[:-1])
        self.assertFalse(framer.begun)

    def test_partial(self) -> None:
        """A message is partial until it ends."""
        framer = MessageFramer(100)
        self.assertEqual(_messages(framer, [b'{"a"']), [])
        self.assertTrue(framer.begun)
        self.assertEqual(_messages(framer, [b":1}\n"]), [b'{"a":1}'])
        self.assertFalse(framer.begun)

    def test_unfinished_message(self) -> None:
        """The rest at the end of the stream is taken once."""
        framer = MessageFramer(100)
        _messages(framer, [b'{"a"', b":1}"])
        self.assertEqual(framer.take_rest(), b'{"a":1}')
        self.assertEqual(framer.take_rest(), b"")


class LimitTests(SynchronousTestCase):
    """The largest message."""

    def test_exactly(self) -> None:
        """A message of exactly the limit passes, its line end not counted, whole or in pieces."""
        self.assertEqual(_messages(MessageFramer(5), [b"12345\n"]), [b"12345"])
        self.assertEqual(_messages(MessageFramer(5), [b"123", b"45", b"\n"]), [b"12345"])

    def test_one_more(self) -> None:
        """One byte more is refused, whole or in pieces."""
        for pieces in ([b"123456\n"], [b"123", b"456\n"]):
            with self.assertRaises(TooLarge):
                _messages(MessageFramer(5), pieces)

    def test_before_the_end(self) -> None:
        """A message is refused as soon as it exceeds the limit, before it ends."""
        with self.assertRaises(TooLarge) as caught:
            _messages(MessageFramer(5), [b"123456"])
        self.assertEqual(caught.exception.detail, {"max_message_bytes": 5})

    def test_earlier_messages_first(self) -> None:
        """Messages in front of a too large one are taken first."""
        for large in (b"123456\n", b"123456", b"123456\n1\n"):
            for most in (1, 2, 9):
                framer, found = MessageFramer(5), list[bytes]()
                found += framer.take(most, b"1\n2\n" + large)
                while len(found) < 2:
                    found += framer.take(most)
                self.assertEqual(found, [b"1", b"2"])
                with self.assertRaises(TooLarge):
                    framer.take(most)

    def test_many_small(self) -> None:
        """The limit is for one message: many small ones together may be larger."""
        self.assertEqual(_messages(MessageFramer(5), [b"123\n" * 100]), [b"123"] * 100)


def _first_whole(pieces: Iterable[bytes]) -> tuple[int, bytes] | None:
    """After which piece an object without a line end was found whole, and the object."""
    framer = MessageFramer(1 << 21)
    for at, piece in enumerate(pieces):
        assert framer.take(9, piece) == []
        found = framer.unframed()
        if found is not None:
            return at, found
    return None


class UnframedTests(SynchronousTestCase):
    """One object with no line end, from a client of the original system."""

    @given(_OBJECTS, st.booleans(), st.lists(st.integers(0), max_size=30))
    def test_whole_exactly_at_its_end(self, value: object, ascii_only: bool, places: list[int]) -> None:
        """However it is cut, an object is complete with its last piece and not before."""
        text = _encoded(value, ascii_only)
        pieces = [piece for piece in _cut(text, places) if piece]
        self.assertEqual(_first_whole(pieces), (len(pieces) - 1, text))

    @given(_OBJECTS)
    def test_byte_by_byte(self, value: object) -> None:
        """Byte by byte, braces in strings and escaped quotes do not count."""
        text = _encoded(value)
        pieces = [text[at : at + 1] for at in range(len(text))]
        self.assertEqual(_first_whole(pieces), (len(text) - 1, text))

    def test_space_around(self) -> None:
        """White space before and after does not matter."""
        self.assertEqual(_first_whole([b" \r\t{", b"} \r"]), (1, b" \r\t{} \r"))

    def test_found_once(self) -> None:
        """A complete object is reported once."""
        framer = MessageFramer(100)
        _messages(framer, [b"{}"])
        self.assertEqual(framer.unframed(), b"{}")
        self.assertIsNone(framer.unframed())

    def test_not_on_a_framed_connection(self) -> None:
        """After a line end, every message needs one."""
        framer = MessageFramer(100)
        _messages(framer, [b"{}\n{}"])
        self.assertIsNone(framer.unframed())

    def test_trailing_bytes(self) -> None:
        """Bytes behind the object are handed over with it, for the decoder to refuse."""
        self.assertEqual(_first_whole([b"{}{}"]), (0, b"{}{}"))

    def test_linear(self) -> None:
        """The time is linear in the number of bytes, also for hostile input."""
        hostile = {
            "braces after strings": lambda n: [b"{", *[b'"}"'] * (n // 3)],
            "open strings": lambda n: [b'{"' + b'\\"' * (n // 2) + b"}"],
            "byte by byte": lambda n: [b"{", b'"'] + [b"}"] * n,
            "nested": lambda n: [b"{" * n, b"{}" * n],
        }
        for name, pieces_of in hostile.items():
            small, large = (_seconds(pieces_of(n)) for n in (20_000, 160_000))
            self.assertLess(large, 24 * small + 0.02, name)


def _seconds(pieces: list[bytes]) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        _first_whole(pieces)
        best = min(best, time.process_time() - started)
    return best
