"""Errors and their texts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import errors
from unixsvc.errors import (
    ConfigError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    ServiceError,
    TooLarge,
    Unavailable,
    error_from,
)

CODES = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    408: "Request timeout", 409: "Conflict", 410: "Gone", 413: "Message too large", 422: "Invalid arguments",
    429: "Too many requests", 499: "Cancelled", 500: "Internal Server Error", 502: "Bad gateway",
    503: "Service unavailable", 504: "Deadline exceeded",
}  # fmt: skip


class ErrorTests(SynchronousTestCase):
    """Service errors."""

    def test_codes(self) -> None:
        """Each code of the protocol has one class and one message."""
        for code, message in CODES.items():
            error = error_from(code, "why")
            self.assertEqual((error.code, error.message, error.detail), (code, message, "why"))
            self.assertIsNot(type(error), ServiceError)
            self.assertIs(getattr(errors, type(error).__name__), type(error))

    def test_unknown_code(self) -> None:
        """An unknown code of a newer server is kept."""
        error = error_from(418, {"pot": "tea"})
        self.assertIsInstance(error, ServiceError)
        self.assertEqual((error.code, error.message, error.detail), (418, "Failure", {"pot": "tea"}))

    def test_all_have_one_base(self) -> None:
        """Each exported error is a ServiceError and has a message."""
        for name in errors.__all__:
            kind = getattr(errors, name)
            if kind is not error_from:
                self.assertTrue(issubclass(kind, ServiceError), name)
                self.assertTrue(kind.message)

    def test_details(self) -> None:
        """Some errors have details from their arguments."""
        self.assertEqual(MethodNotAllowed(["GET", "PUT"]).detail, {"allowed": ["GET", "PUT"]})
        self.assertEqual(TooLarge(64).detail, {"max_message_bytes": 64})
        self.assertEqual(Unavailable().detail, {"retry_after": 1.0})
        self.assertEqual(RateLimited(0.5).detail, {"retry_after": 0.5})
        self.assertIsNone(NotFound().detail)

    def test_text(self) -> None:
        """The text of an error has its code, its message, and its details if there are any."""
        self.assertEqual(str(NotFound()), "404 Not found")
        self.assertEqual(str(NotFound("no user 7")), "404 Not found: no user 7")
        self.assertEqual(str(error_from(422, [])), "422 Invalid arguments: []")

    def test_detail_without_init(self) -> None:
        """A subclass whose ``__init__`` does not call that of the base has the details None."""

        class Own(ServiceError):
            def __init__(self, article: int) -> None:
                self.article = article

        self.assertIsNone(Own(7).detail)
        self.assertEqual(str(Own(7)), "500 Internal Server Error")


class ConfigErrorTests(SynchronousTestCase):
    """Errors of the configuration."""

    def test_line(self) -> None:
        """The text has place, problem and remedy."""
        self.assertEqual(str(ConfigError("a.toml", "is no TOML")), "a.toml: is no TOML")
        self.assertEqual(str(ConfigError("a", "is wrong", "mend it")), "a: is wrong; mend it")

    def test_one_line(self) -> None:
        """The text is one line, also with quoted lines."""
        text = str(ConfigError("a\nb", "c\r\nd", "e\u2028f"))
        self.assertEqual(text, "a b: c d; e f")

    def test_long_parts(self) -> None:
        """Names and values of any length leave the line readable: the ends of each part are kept."""
        long = "x" * 20_000
        text = str(ConfigError(f"a.toml: {long}", f"{long} is wrong", f"mend {long}"))
        self.assertLess(len(text), 2000)
        self.assertTrue(text.startswith("a.toml: xxx"))
        self.assertIn("xxx is wrong; mend xxx", text)

    def test_for_peers(self) -> None:
        """A peer gets it as a 500."""
        self.assertEqual((ConfigError("a", "b").code, ConfigError.message), (500, "Internal Server Error"))
