"""Requests and callers."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Peer, Request


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
