import sys

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.files.ranges import MAX_RANGES, Unsatisfiable, parse_ranges

HUGE = b"9" * 5000


class RangesTests(SynchronousTestCase):
    def test_single(self) -> None:
        """First and last byte, an open end, and the last bytes; what exceeds the file is cut off."""
        for text, span in (
            (b"bytes=0-0", (0, 1)),
            (b"bytes=2-5", (2, 6)),
            (b"bytes=9-", (9, 10)),
            (b"bytes=-3", (7, 10)),
            (b"bytes=-30", (0, 10)),
            (b"bytes=5-99", (5, 10)),
            (b"BYTES = 5-5", (5, 6)),
            (b"bytes=,, 5-5 ,", (5, 6)),
            (b"bytes=005-005", (5, 6)),
            (b"bytes=0-" + HUGE, (0, 10)),
            (b"bytes=-" + HUGE, (0, 10)),
        ):
            self.assertEqual(parse_ranges([text], 10), [span], text[:40])

    def test_ignored(self) -> None:
        """A header with an error, of another unit, or sent twice is ignored."""
        for values in (
            [b"bytes"],
            [b"bytes="],
            [b"bytes=-"],
            [b"bytes=a-b"],
            [b"bytes=1-2x"],
            [b"bytes=5-2"],
            [b"bytes=0-1,5-2"],
            [b"bytes=1 - 2"],
            [b"bytes=--1"],
            [b"bytes=+1-2"],
            [b"bytes=0x1-2"],
            [b"items=0-1"],
            [b"\xff\xfe"],
            [b"bytes=0-1", b"bytes=2-3"],
        ):
            self.assertIsNone(parse_ranges(values, 10), values)

    def test_unsatisfiable(self) -> None:
        """Ranges that are all outside of the file are refused, whatever their numbers."""
        for text in (b"bytes=10-", b"bytes=10-20,30-40", b"bytes=-0", b"bytes=" + HUGE + b"-"):
            self.assertRaises(Unsatisfiable, parse_ranges, [text], 10)

    def test_too_many(self) -> None:
        """More ranges than the limit are refused; errors among them still make the header one to ignore."""
        texts = [b"%d-%d" % (number * 1000, number * 1000) for number in range(MAX_RANGES)]
        found = parse_ranges([b"bytes=" + b",".join(texts)], 10**6)
        self.assertEqual(len(found or ()), MAX_RANGES)
        self.assertRaises(Unsatisfiable, parse_ranges, [b"bytes=" + b",".join([*texts, b"5-6"])], 10**6)
        self.assertRaises(Unsatisfiable, parse_ranges, [b"bytes=" + b"0-," * 5000], 10**6)

    def test_joined(self) -> None:
        """Overlapping and close ranges become one, in the order of the file: the sum never exceeds it."""
        for text, spans in (
            (b"bytes=0-99,50-149", [(0, 150)]),
            (b"bytes=0-99,100-199", [(0, 200)]),
            (b"bytes=0-99,200-299", [(0, 300)]),
            (b"bytes=5000-5001,0-1", [(0, 2), (5000, 5002)]),
            (b"bytes=0-1,20000-20001", [(0, 2)]),
            (b"bytes=100-200,0-9999,50-60", None),
            (b"bytes=0-,0-,0-,-1", None),
        ):
            self.assertEqual(parse_ranges([text], 10_000), spans, text)

    def test_whole(self) -> None:
        """One range that is the whole file is a range all the same."""
        self.assertEqual(parse_ranges([b"bytes=0-"], 10), [(0, 10)])

    def test_empty_file(self) -> None:
        """The last bytes of an empty file are all of it; there is no first byte."""
        self.assertIsNone(parse_ranges([b"bytes=-5"], 0))
        self.assertRaises(Unsatisfiable, parse_ranges, [b"bytes=0-"], 0)

    def test_large_file(self) -> None:
        """Numbers of files of any size are exact."""
        self.assertEqual(parse_ranges([b"bytes=5368709119-"], 5 * 2**30), [(5 * 2**30 - 1, 5 * 2**30)])
        self.assertGreater(sys.maxsize, 10**18)
