"""Prefixes of paths."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.path_prefix import PathPrefix
from unixsvc.errors import ConfigError


class PathPrefixTests(SynchronousTestCase):
    def test_rest(self) -> None:
        """The rest of a path keeps its escapes; a path that is not below the prefix has none."""
        for prefix, path, rest in (
            ("/a", "/a", ""), ("/a", "/a/", "/"), ("/a", "/%61/b%2Fc//d", "/b%2Fc//d"), ("", "/", "/"),
            ("/a/b", "/a/%62", ""), ("/é", "/%C3%A9/%FF", "/%FF"), ("/%C3%A9", "/é/x", "/x"),
            ("", "/%61", "/%61"), ("/%2561", "/%2561", ""), ("/%2561", "/a", None), ("/a", "/ab", None),
            ("/a/b", "/a%2Fb", None), ("/é", "/%E9", None), ("/a", "/", None),
        ):  # fmt: skip
            found = PathPrefix.parse(prefix)
            self.assertEqual(found.rest_of(path), rest, (prefix, path))
            self.assertEqual(found.contains(path), rest is not None, (prefix, path))

    def test_wrong(self) -> None:
        """A prefix starts with a slash, does not end with one, and has no slash or NUL in a segment."""
        for text in ("a", "/", "/a/", "a/b", "/a%2Fb", "/a%00", "/%FF", "/%C3"):
            error = self.assertRaises(ConfigError, PathPrefix.parse, text)
            self.assertIn("is not a path prefix; write it as /users", str(error))
