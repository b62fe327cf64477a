"""Idempotency keys belong to their callers."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.idempotency_key import META_KEY, fingerprint_of, own_key, with_own_key
from unixsvc.domain.message import Caller, Grant, Peer, Request
from unixsvc.errors import Invalid

ALICE, BOB = Caller(grant=Grant("alice")), Caller(grant=Grant("bob"))


def request(caller: Caller, key: str = "k", data: str = "{}", **fields: Any) -> Request:
    """A request with a key."""
    fields = {"method": "POST", "path": "/x", "meta": {META_KEY: key, "own": "x"}} | fields
    return Request(data=msgspec.Raw(data.encode()), caller=caller, **fields)


def own(of: Request) -> bytes:
    """The caller's own key."""
    return own_key(of, fingerprint_of(of))


class OwnKeyTests(SynchronousTestCase):
    """The key of a request, with its caller."""

    def test_callers(self) -> None:
        """Callers with different identities have different keys, whatever they send."""
        callers = [
            Caller(Peer(1)), Caller(Peer(11)), Caller(Peer(2)), ALICE, BOB, Caller(grant=Grant("uid:1")),
            Caller(grant=Grant("ä")), Caller(),
        ]  # fmt: skip
        keys = ["k", "1k", "uid:1", "ä", "\ud800", "\0k", "k\0"]
        found = {own(request(caller, key)) for caller in callers for key in keys}
        self.assertEqual(len(found), len(callers) * len(keys))

    def test_same_caller(self) -> None:
        """A caller has one key for all requests and connections; on a socket, the caller is the user."""
        for one, other in (
            (ALICE, Caller(grant=Grant("alice"), trusted=True)),
            (Caller(Peer(7, 7, 1)), Caller(Peer(7, 8, 2), grant=Grant("alice"))),
        ):
            self.assertEqual(own(request(one)), own(request(other, data='{"a":1}', path="/y", method="PUT")))

    def test_anonymous(self) -> None:
        """Keys of anonymous callers are kept apart by method, path, query and data."""
        same = request(Caller()), request(Caller(), meta={META_KEY: "k"})
        self.assertEqual(own(same[0]), own(same[1]))
        others: list[dict[str, Any]] = [
            {},
            {"method": "PUT"},
            {"path": "/y"},
            {"query": "a"},
            {"data": "{ }"},
        ]
        self.assertEqual(len({own(request(Caller(), **other)) for other in others}), len(others))

    def test_length(self) -> None:
        """A key of another length than 1 to 255 characters is refused."""
        for key in "", "x" * 256:
            error = self.assertRaises(Invalid, own, request(ALICE, key))
            self.assertEqual(error.detail[0]["field"], "meta.idempotency_key")
        own(request(ALICE, "ä" * 255))


class ForwardedTests(SynchronousTestCase):
    """The ``meta`` for another service."""

    def test_own(self) -> None:
        """The key is that of the caller, and short enough for the other service; all else stays."""
        sent = request(ALICE, "k" * 255)
        meta = with_own_key(sent)
        self.assertEqual(meta, {META_KEY: own(sent).hex(), "own": "x"})
        self.assertNotEqual(meta, with_own_key(request(BOB, "k" * 255)))
        own(request(Caller(Peer(0)), meta=meta))

    def test_without_effect(self) -> None:
        """Without a key, or with a safe method, nothing is changed."""
        for sent in request(ALICE, meta={"own": "x"}), request(ALICE, "", method="GET"):
            self.assertEqual(with_own_key(sent), sent.meta)

    def test_wrong(self) -> None:
        """A key that cannot be used is refused here, as the other service would not see it."""
        self.assertRaises(Invalid, with_own_key, request(ALICE, ""))
