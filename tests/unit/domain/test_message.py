"""Requests and callers."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Grant, Peer, Reply, Request


class ValueTests(SynchronousTestCase):
    """Requests and replies as values."""

    def test_defaults(self) -> None:
        """By default a request has no arguments and no time limit, and a reply has the result null."""
        request = Request("GET", "/")
        self.assertEqual((bytes(request.data), request.query, request.meta), (b"{}", "", {}))
        self.assertEqual((request.auth_token, request.timeout, request.route_meta), (None, None, {}))
        self.assertEqual(Reply(), Reply(200, b"null", "", None))
        caller = Caller()
        self.assertEqual((caller.peer, caller.trusted, caller.wrong_tokens), (Peer(), False, 0))
        self.assertTrue(Caller(trusted=True).trusted)

    def test_fixed(self) -> None:
        """Requests and replies are immutable."""
        for value, name in ((Request("GET", "/"), "path"), (Reply(), "code"), (Peer(), "uid")):
            self.assertRaises(AttributeError, setattr, value, name, 7)


class IdentityTests(SynchronousTestCase):
    """The identity of a caller."""

    def test_user_of_the_kernel(self) -> None:
        """A process is identified by the user that the kernel reports, root included, whatever its token."""
        for uid in (0, 1000):
            caller = Caller(Peer(uid=uid), grant=Grant("billing"))
            self.assertEqual((caller.identity, caller.token), (f"uid:{uid}", "billing"))

    def test_token(self) -> None:
        """A caller without credentials of the kernel is identified by the name of its token."""
        caller = Caller(grant=Grant("billing"))
        self.assertEqual((caller.identity, caller.token), ("token:billing", "billing"))

    def test_anonymous(self) -> None:
        """A caller that has presented no token has no identity, also if it is trusted."""
        for caller in (Caller(), Caller(trusted=True), Caller(wrong_tokens=3)):
            self.assertEqual((caller.identity, caller.token), (None, None))


class RequestTests(SynchronousTestCase):
    """The properties of requests."""

    def test_id_of_the_caller(self) -> None:
        """The caller's ``request_id`` is the id of the request."""
        self.assertEqual(Request("GET", "/", meta={"request_id": "abc"}).request_id, "abc")

    def test_id_of_ours(self) -> None:
        """Without a ``request_id``, or with an empty one, the id contains the pid and is unique."""
        first, second = Request("GET", "/"), Request("GET", "/", meta={"request_id": ""})
        self.assertNotEqual(first.request_id, second.request_id)
        for each in (first, second):
            self.assertEqual(each.request_id.split("-")[0], f"{os.getpid():x}")
            self.assertEqual(each.request_id, each.request_id)

    def test_token_not_in_repr(self) -> None:
        """The repr of a request contains neither its token nor its data."""
        request = Request("GET", "/user", auth_token="sesame", meta={"request_id": "7"})
        self.assertEqual(repr(request), "<Request 7 GET /user>")

    def test_peer(self) -> None:
        """The peer of a request is that of its caller; requests without a caller do not share one."""
        request = Request("GET", "/", caller=Caller(Peer(uid=7)))
        self.assertEqual(request.peer.uid, 7)
        one, two = Request("GET", "/"), Request("GET", "/")
        one.caller.trusted = True
        self.assertFalse(two.caller.trusted)
        self.assertIsNone(two.peer.uid)
