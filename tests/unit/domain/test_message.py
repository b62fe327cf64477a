"""Requests and callers."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Peer, Reply, Request


class ValueTests(SynchronousTestCase):
    """What is asked and answered."""

    def test_defaults(self) -> None:
        """A request has no arguments, and no limit of time; a reply is a success that says nothing."""
        request = Request("GET", "/")
        self.assertEqual((bytes(request.data), request.query, request.meta), (b"{}", "", {}))
        self.assertEqual((request.auth_token, request.timeout, request.route_meta), (None, None, {}))
        self.assertEqual(Reply(), Reply(200, b"null", "", None))
        caller = Caller()
        self.assertEqual((caller.peer, caller.trusted, caller.wrong_tokens), (Peer(), False, 0))
        self.assertTrue(Caller(trusted=True).trusted)

    def test_fixed(self) -> None:
        """None of these changes once it is made."""
        for value, name in ((Request("GET", "/"), "path"), (Reply(), "code"), (Peer(), "uid")):
            self.assertRaises(AttributeError, setattr, value, name, 7)


class RequestTests(SynchronousTestCase):
    """What a request knows."""

    def test_id_of_the_caller(self) -> None:
        """The caller's name for a request is its id."""
        self.assertEqual(Request("GET", "/", meta={"request_id": "abc"}).request_id, "abc")

    def test_id_of_ours(self) -> None:
        """Without one, or with an empty one, ours names the process, and no two are the same."""
        first, second = Request("GET", "/"), Request("GET", "/", meta={"request_id": ""})
        self.assertNotEqual(first.request_id, second.request_id)
        for each in (first, second):
            self.assertEqual(each.request_id.split("-")[0], f"{os.getpid():x}")
            self.assertEqual(each.request_id, each.request_id)

    def test_token_is_not_shown(self) -> None:
        """What is written of a request shows neither its token nor its data."""
        request = Request("GET", "/user", auth_token="sesame", meta={"request_id": "7"})
        self.assertEqual(repr(request), "<Request 7 GET /user>")

    def test_peer(self) -> None:
        """The peer is that of the caller; requests that name no caller share none."""
        request = Request("GET", "/", caller=Caller(Peer(uid=7)))
        self.assertEqual(request.peer.uid, 7)
        one, two = Request("GET", "/"), Request("GET", "/")
        one.caller.trusted = True
        self.assertFalse(two.caller.trusted)
        self.assertIsNone(two.peer.uid)
