import os
import time

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.files.conditions import Outcome, Validators, evaluate, is_range_wanted

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
TIME = 784111777
EARLIER, LATER = b"Sun, 06 Nov 1994 08:49:36 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"
FILE = Validators(b'"x"', TIME)
SEND, NOT_MODIFIED, FAILED = Outcome.SEND, Outcome.NOT_MODIFIED, Outcome.FAILED
RUBBISH = (
    b"", b"0", b"yesterday", b"Sun, 32 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37 +0200",
    b"\xff" * 40, b"Sun, 06 Nov 1994 99:99:99 GMT", b"Sun, 06 Xyz 1994 08:49:37 GMT",
    b"Sun, 06 Nov 0000 08:49:37 GMT",
    DATE * 99,
)  # fmt: skip


def outcome(**headers: bytes) -> Outcome:
    """The outcome for headers, whose names have underscores for hyphens."""
    return evaluate({name.replace("_", "-").encode(): [value] for name, value in headers.items()}, FILE)


class ConditionsTests(SynchronousTestCase):
    def test_none(self) -> None:
        """Without conditions the file is sent."""
        self.assertIs(outcome(), SEND)

    def test_if_none_match(self) -> None:
        """A tag that the client has, weak or in a list, is 304; so is any tag."""
        for tags in (b'"x"', b'W/"x"', b'"a", "x"', b"*"):
            self.assertIs(outcome(If_None_Match=tags), NOT_MODIFIED, tags)
        for tags in (b'"y"', b"x", b"", b'"'):
            self.assertIs(outcome(If_None_Match=tags), SEND, tags)

    def test_if_match(self) -> None:
        """A tag that is not there is 412; a weak tag never is."""
        for tags in (b'"x"', b'"a","x"', b'W/"a","x"', b" * "):
            self.assertIs(outcome(If_Match=tags), SEND, tags)
        for tags in (b'"y"', b'W/"x"', b'W/"a",W/"x"', b"x", b""):
            self.assertIs(outcome(If_Match=tags), FAILED, tags)

    def test_dates(self) -> None:
        """A file that is newer is sent, or fails; the date itself counts as not modified."""
        for date, modified, unmodified in (
            (EARLIER, SEND, FAILED),
            (DATE, NOT_MODIFIED, SEND),
            (LATER, NOT_MODIFIED, SEND),
        ):
            self.assertIs(outcome(If_Modified_Since=date), modified, date)
            self.assertIs(outcome(If_Unmodified_Since=date), unmodified, date)

    def test_forms_of_dates(self) -> None:
        """The obsolete forms are understood too, wherever the server is."""
        self.addCleanup(time.tzset)
        self.patch(os, "environ", {**os.environ, "TZ": "Asia/Tokyo"})
        time.tzset()
        for date in (DATE, b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"):
            self.assertIs(outcome(If_Modified_Since=date), NOT_MODIFIED, date)
            self.assertIs(outcome(If_Unmodified_Since=date), SEND, date)

    def test_rubbish(self) -> None:
        """Dates that are none are ignored, and so are two dates."""
        for date in RUBBISH:
            self.assertIs(outcome(If_Modified_Since=date), SEND, date)
            self.assertIs(outcome(If_Unmodified_Since=date), SEND, date)
        self.assertIs(evaluate({b"If-Modified-Since": [DATE, DATE]}, FILE), SEND)

    def test_order(self) -> None:
        """Tags come before dates, and what must match before what must not."""
        self.assertIs(outcome(If_Match=b'"x"', If_Unmodified_Since=EARLIER), SEND)
        self.assertIs(outcome(If_Match=b'"y"', If_None_Match=b'"x"'), FAILED)
        self.assertIs(outcome(If_Match=b'"x"', If_None_Match=b'"x"'), NOT_MODIFIED)
        self.assertIs(outcome(If_Unmodified_Since=EARLIER, If_None_Match=b'"x"'), FAILED)
        self.assertIs(outcome(If_None_Match=b'"y"', If_Modified_Since=LATER), SEND)

    def test_if_range(self) -> None:
        """The strong tag, or the exact date of a file that is older than a second, lets ranges apply."""
        now = TIME + 100.0
        self.assertTrue(is_range_wanted({}, FILE, now))
        for value in (b'"x"', b' "x" ', DATE):
            self.assertTrue(is_range_wanted({b"If-Range": [value]}, FILE, now), value)
        for value in (b'W/"x"', b'"y"', b"*", b"x", b'"x","y"', EARLIER, LATER, *RUBBISH):
            self.assertFalse(is_range_wanted({b"If-Range": [value]}, FILE, now), value)
        self.assertFalse(is_range_wanted({b"If-Range": [DATE]}, FILE, TIME + 1.0))
        self.assertFalse(is_range_wanted({b"If-Range": [b'"x"', b'"x"']}, FILE, now))
