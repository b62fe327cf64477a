from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.headers.accept import accepts_gzip, prefers_events


class GzipTests(SynchronousTestCase):
    def test_named(self) -> None:
        """Gzip is used for a client that names it, its old name, or ``*``."""
        for value in (b"gzip", b"br, GZIP", b"deflate, x-gzip;q=0.5", b"*", b"br;q=1.0, *;q=0.1"):
            self.assertTrue(accepts_gzip([value]), value)

    def test_refused(self) -> None:
        """A quality of 0 excludes gzip, also next to ``*``; so does a missing header."""
        for value in (b"gzip;q=0", b"gzip; q=0.000, *", b"*;q=0", b"br", b"", b"identity"):
            self.assertFalse(accepts_gzip([value]), value)
        self.assertFalse(accepts_gzip([]))

    def test_several_headers(self) -> None:
        """Several headers are one list."""
        self.assertTrue(accepts_gzip([b"br", b"gzip"]))


class EventsTests(SynchronousTestCase):
    def test_named(self) -> None:
        """Server-sent events are for clients that name them and do not prefer lines."""
        for value in (
            b"text/event-stream",
            b"TEXT/Event-Stream, */*",
            b"text/*",
            b"application/jsonl;q=0.5, text/event-stream;q=0.6",
        ):
            self.assertTrue(prefers_events([value]), value)

    def test_lines(self) -> None:
        """Clients that accept anything, prefer lines, or exclude events get lines."""
        for value in (
            b"*/*",
            b"application/json",
            b"text/event-stream;q=0.4, application/jsonl",
            b"text/event-stream;q=0",
            b"text/event-stream;q=0, text/*",
            b"",
        ):
            self.assertFalse(prefers_events([value]), value)
        self.assertFalse(prefers_events([]))
