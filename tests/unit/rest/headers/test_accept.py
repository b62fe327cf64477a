from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.headers.accept import accepts_gzip, prefers_events


class GzipTests(SynchronousTestCase):
    def test_named(self) -> None:
        """A client that names gzip, its old name, or everything, gets it."""
        for value in (b"gzip", b"br, GZIP", b"deflate, x-gzip;q=0.5", b"*", b"br;q=1.0, *;q=0.1"):
            self.assertTrue(accepts_gzip([value]), value)

    def test_refused(self) -> None:
        """A weight of 0 is a no, also beside a yes to everything; so is silence."""
        for value in (b"gzip;q=0", b"gzip; q=0.000, *", b"*;q=0", b"br", b"", b"identity"):
            self.assertFalse(accepts_gzip([value]), value)
        self.assertFalse(accepts_gzip([]))

    def test_several_headers(self) -> None:
        """A header that is there twice is one list."""
        self.assertTrue(accepts_gzip([b"br", b"gzip"]))


class EventsTests(SynchronousTestCase):
    def test_named(self) -> None:
        """A client that names server-sent events, and wants nothing more than these, gets them."""
        for value in (
            b"text/event-stream",
            b"TEXT/Event-Stream, */*",
            b"text/*",
            b"application/jsonl;q=0.5, text/event-stream;q=0.6",
        ):
            self.assertTrue(prefers_events([value]), value)

    def test_lines(self) -> None:
        """Whoever takes anything, wants lines more, or refuses events, gets lines."""
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
