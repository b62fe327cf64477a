from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.normalise import TABLE, figures, header_value, normalised


class NormalisingTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each rule has a reason and a known place."""
        for rule in TABLE:
            self.assertIn(rule.where, ("all", "headers", "output", "figures"))
            self.assertTrue(rule.why)

    def test_request_ids(self) -> None:
        """Generated request ids are replaced; those of clients stay."""
        self.assertEqual(header_value(b"X-Request-Id", b"4d2-7"), b"ID")
        self.assertEqual(header_value(b"X-Request-Id", b"mine"), b"mine")
        made = b'{"meta":{"request_id":"4d2-7f"},"instance":"urn:unixsvc:request:1-2"}'
        self.assertEqual(normalised(made), b'{"meta":{"request_id":"ID"},"instance":"urn:ID"}')
        own = b'{"meta":{"request_id":"mine"}}'
        self.assertEqual(normalised(own), own)

    def test_headers(self) -> None:
        """Only headers with a time are replaced."""
        self.assertEqual(header_value(b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"), b"DATE")
        self.assertEqual(header_value(b"Retry-After", b"3"), b"3")
        self.assertEqual(header_value(b"ETag", b'"a"'), b'"a"')

    def test_bytes_stay(self) -> None:
        """Replies are not changed."""
        data = b'{"id":7,"code":200,"data":{"pid":12,"time":1.5,"VERSION":"1.2.3"}}\n'
        self.assertEqual(normalised(data), data)

    def test_pause(self) -> None:
        """The remaining time of a pause is replaced where it is named so."""
        self.assertEqual(normalised(b'{"retry_after":14.4,"reason":"x"}'), b'{"retry_after":0,"reason":"x"}')
        self.assertEqual(
            normalised(b'{"retry_after":9.1e-5,"reason":"x"}'), b'{"retry_after":0,"reason":"x"}'
        )
        self.assertEqual(normalised(b'{"retry_after":2.5}'), b'{"retry_after":2.5}')

    def test_places(self) -> None:
        """The folder, the packages and the ports of a side are replaced."""
        folder = b"/tmp/differential-ab_1/base/required"
        text = folder + b": /v/lib/python3.11/site-packages/x.py http://127.0.0.1:12345 (pid 7)"
        self.assertEqual(
            normalised(text, "output"), b"FOLDER/required: PACKAGES/x.py http://127.0.0.1:PORT (pid N)"
        )

    def test_figures(self) -> None:
        """Numbers are replaced with their units, and columns get one width."""
        text = b"home      12345  ready  1m 2s   17  0.25\nuser      7  ready  59s   1700  10.25\n"
        first, second = normalised(text, "output", "figures").splitlines()
        self.assertEqual(first, b"home N ready N N N")
        self.assertEqual(second, b"user N ready N N N")
        self.assertEqual(normalised(b'{"p50": null, "a1": 3e-05}', "figures"), b'{"p50": null, "a1": N}')

    def test_services(self) -> None:
        """Called services are sorted, without those that do not exist; other names are not."""
        text = b'{"b": {"services": {"z": {"open": 1}, "absentn1": {}, "a": {}}}, "a": [1]}'
        self.assertEqual(figures(text), b'{"b": {"services": {"a": {}, "z": {"open": 1}}}, "a": [1]}')
        self.assertEqual(figures(b"SERVICE  PID\n"), b"SERVICE  PID\n")
