from twisted.trial.unittest import SynchronousTestCase

from unixsvc.rest.headers.etags import etag_of, is_known


class ETagTests(SynchronousTestCase):
    def test_strong(self) -> None:
        """Equal bodies have equal tags, others different ones; the tag is strong."""
        self.assertEqual(etag_of(b"a"), etag_of(b"a"))
        self.assertNotEqual(etag_of(b"a"), etag_of(b"b"))
        self.assertRegex(etag_of(b"a"), rb'^"[0-9a-f]{32}"$')

    def test_coding(self) -> None:
        """A compressed body has another tag."""
        self.assertNotEqual(etag_of(b"a"), etag_of(b"a", "gzip"))

    def test_known(self) -> None:
        """Lists, several headers, weak tags and ``*`` match."""
        for values in ([b'"x"'], [b'"a", "x"'], [b'"a"', b'W/"x"'], [b" * "], [b'"a,b","x"']):
            self.assertTrue(is_known(b'"x"', values), values)

    def test_unknown(self) -> None:
        """Part of a tag does not match, nor does a tag without quotes."""
        for values in ([b'"xy"'], [b"x"], [b""], [b'"*"'], []):
            self.assertFalse(is_known(b'"x"', values), values)
