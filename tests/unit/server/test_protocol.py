"""The replies that one client gets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import connect, wait
from unixsvc.config.settings import Limits
from unixsvc.errors import Cancelled


class EnvelopeTests(SynchronousTestCase):
    """Requests with an id."""

    def test_success(self) -> None:
        """A reply carries the id, a number or a string."""
        client = connect()
        client.send({"id": 7, "data": {"a": 1}}, {"id": 'x"y'})
        expected = [{"id": 7, "code": 200, "data": {"a": 1}}, {"id": 'x"y', "code": 200, "data": {}}]
        self.assertEqual(client.received(), expected)

    def test_any_order(self) -> None:
        """Replies come in the order in which requests are done."""
        client = connect()
        client.send(wait(1, id=1), wait(2, id=2), {"id": 3})
        client.actions.waiting[2].callback("two")
        client.actions.waiting[1].callback("one")
        self.assertEqual([each["id"] for each in client.received()], [3, 2, 1])

    def test_wrong_field(self) -> None:
        """A field of the wrong type is 400 and named in the reply; the connection goes on."""
        client = connect()
        client.send({"id": 1, "timeout": "soon", "meta": 3}, {"id": 2})
        wrong, right = client.received()
        self.assertEqual((wrong["id"], wrong["code"]), (1, 400))
        self.assertEqual([each["field"] for each in wrong["detail"]], ["timeout", "meta"])
        self.assertEqual(right["id"], 2)

    def test_long_id(self) -> None:
        """A message whose id is too long is 400, in its turn and without the id; the connection goes on."""
        client = connect()
        client.send({"id": "x" * 254}, {"id": "x" * 253})
        wrong, right = client.received()
        self.assertEqual((wrong["code"], "id" in wrong, wrong["detail"][0]["field"]), (400, False, "id"))
        self.assertEqual((right["id"], right["code"]), ("x" * 253, 200))

    def test_id_in_use(self) -> None:
        """The id of a pending request cannot be used again before its reply."""
        client = connect()
        client.send(wait(1, id=1), {"id": 1})
        self.assertEqual([each["code"] for each in client.received()], [400])
        client.actions.waiting[1].callback(None)
        client.send({"id": 1})
        self.assertEqual([each["code"] for each in client.received()], [200, 200])

    def test_request(self) -> None:
        """The method is upper-cased, the query split off, and unknown fields are ignored."""
        client = connect()
        client.send({"method": "post", "path": "/a?b=1", "new": True, "meta": {"request_id": "r"}})
        request = client.actions.requests[0]
        self.assertEqual((request.method, request.path, request.query), ("POST", "/a", "b=1"))
        self.assertEqual(request.request_id, "r")

    def test_blank_lines(self) -> None:
        """Blank lines are not messages."""
        client = connect()
        client.raw(b'\n \r\n{"id":1}\r\n\n')
        self.assertEqual(len(client.received()), 1)


class BareTests(SynchronousTestCase):
    """Requests without an id."""

    def test_success(self) -> None:
        """The reply is the result alone."""
        client = connect()
        client.send({"data": {"a": 1}})
        self.assertEqual(client.transport.value(), b'{"a": 1}\n')

    def test_order(self) -> None:
        """Bare replies keep the order of their requests."""
        client = connect()
        client.send(wait(1), wait(2), {"data": {"n": 3}}, {"path": 4})
        client.actions.waiting[2].callback(2)
        self.assertEqual(client.received(), [])
        client.actions.waiting[1].callback(1)
        one, two, three, four = client.received()
        self.assertEqual((one, two, three, four["code"]), (1, 2, {"n": 3}, 400))

    def test_not_held_up_by_ids(self) -> None:
        """A bare reply does not wait for requests with ids."""
        client = connect()
        client.send(wait(1, id=1), {"data": {"n": 2}})
        self.assertEqual(client.received(), [{"n": 2}])


class OneMessageTests(SynchronousTestCase):
    """The one-message exchange of the original system: no line end."""

    def test_served_and_closed(self) -> None:
        """A complete object is served at once; the reply has no line end, and the connection closes."""
        client = connect()
        client.raw(b'{"data": {"a": 1}}')
        self.assertEqual((client.transport.value(), client.transport.closed), (b'{"a": 1}', "lose"))

    def test_buffer_sizes(self) -> None:
        """Messages of exactly 4096 and 8192 bytes are served, in one piece or in two."""
        for size in (4096, 8192):
            for cut in (size, size - 1, 4096 % size):
                client = connect()
                message = b'{"data":{"a":"' + b"x" * (size - 17) + b'"}}'
                self.assertEqual(len(message), size)
                client.raw(message[:cut])
                client.raw(message[cut:])
                self.assertEqual(len(client.transport.value()), size - 9)
                self.assertEqual(client.transport.closed, "lose")

    def test_closed_after_a_wait(self) -> None:
        """The connection closes after a reply that takes time."""
        client = connect()
        client.raw(b'{"path":"/wait","data":{"n":1}}')
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback("done")
        self.assertEqual((client.transport.value(), client.transport.closed), (b'"done"', "lose"))

    def test_with_an_id(self) -> None:
        """With an id, the server waits for the line end."""
        client = connect()
        client.raw(b'{"id": 1}')
        self.assertEqual(client.transport.value(), b"")
        client.raw(b'\n{"id": 2}\n')
        self.assertEqual([each["id"] for each in client.received()], [1, 2])
        self.assertEqual(client.transport.closed, "")

    def test_failure(self) -> None:
        """Errors are bare replies as well."""
        client = connect()
        client.raw(b'{"path": 1}')
        self.assertEqual((client.received()[0]["code"], client.transport.closed), (400, "lose"))

    def test_line_end_at_the_end_of_the_stream(self) -> None:
        """The end of input ends the last message; then the connection closes."""
        client = connect()
        client.raw(b'{"id": 1}')
        client.connection.readConnectionLost()
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([1], "lose"))


class RejectedTests(SynchronousTestCase):
    """What closes a connection."""

    def test_not_json(self) -> None:
        """Bytes that are not JSON are 400; nothing after them is served; the client may finish sending."""
        client = connect()
        client.raw(b'nonsense\n{"id":1}\n')
        self.assertEqual([each["code"] for each in client.received()], [400])
        self.assertEqual((client.transport.closed, client.transport.reading), ("half", True))
        client.connection.readConnectionLost()
        self.assertEqual(client.transport.closed, "lose")

    def test_not_json_after_wrong_field(self) -> None:
        """Bytes that are not JSON are refused as such, even behind a field of the wrong type."""
        for text in (b"[1,2\n", b'{"id":true GARBAGE\n', b"5 5 5\n"):
            client = connect()
            client.raw(text + b'{"id":1}\n')
            self.assertEqual([each["code"] for each in client.received()], [400])
            self.assertEqual(client.transport.closed, "half")

    def test_not_an_object(self) -> None:
        """JSON that is not an object is 400, and the connection goes on."""
        client = connect()
        client.raw(b'[1]\n1\nnull\n"x"\n')
        client.send({"id": 1})
        self.assertEqual([each["code"] for each in client.received()], [400, 400, 400, 400, 200])

    def test_hostile_json(self) -> None:
        """Bad UTF-8 and deep nesting are 400, wherever they stand."""
        for text in (b'{"path":"\xff"}\n', b"[" * 100_000 + b"\n", b'{"x":' + b"[" * 100_000 + b"\n"):
            client = connect()
            client.raw(text)
            self.assertEqual([each["code"] for each in client.received()], [400], text[:20])

    def test_too_large(self) -> None:
        """A message over the limit is 413 before it has ended, and the rest of it is not kept."""
        client = connect(Limits(max_message_bytes=64))
        client.raw(b"x" * 65)
        self.assertEqual([each["code"] for each in client.received()], [413])
        client.raw(b"x" * 1_000_000)
        self.assertEqual((client.received(), client.transport.closed), ([], "half"))
        self.assertFalse(client.connection.receiver.framer.begun)

    def test_too_large_after_valid(self) -> None:
        """Messages in front of it are answered, and it is refused without waiting for more."""
        for large in (b"x" * 65, b"x" * 65 + b"\n"):
            client = connect(Limits(max_message_bytes=64))
            client.raw(b'{"id":1}\n{"id":2}\n' + large)
            client.turn()
            self.assertEqual([each["code"] for each in client.received()], [200, 200, 413])
            self.assertEqual(client.transport.closed, "half")

    def test_earlier_requests_first(self) -> None:
        """Pending requests are answered before the connection closes."""
        client = connect()
        client.send(wait(1, id=1))
        client.raw(b"nonsense\n")
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback("late")
        self.assertEqual([each["code"] for each in client.received()], [400, 200])
        self.assertEqual(client.transport.closed, "half")

    def test_linger_time_out(self) -> None:
        """A client that goes on sending after a refusal is aborted."""
        client = connect()
        client.raw(b"nonsense\n")
        client.turn(1)
        self.assertEqual(client.transport.closed, "half")
        client.turn(3)
        self.assertEqual(client.transport.closed, "abort")

    def test_wrong_tokens(self) -> None:
        """After the fifth wrong token the connection closes; what was sent after it is not served."""
        client = connect()
        client.send(*[{"id": n, "path": "/wrong"} for n in range(7)])
        self.assertEqual([each["id"] for each in client.received()], [0, 1, 2, 3, 4])
        self.assertEqual(client.transport.closed, "half")


class CancelTests(SynchronousTestCase):
    """Cancelled and oneway requests, and deadlines."""

    def test_cancel(self) -> None:
        """A cancelled request is answered with 499, its action is stopped, and others are not."""
        client = connect()
        client.send(wait(1, id=1), wait(2, id=2), {"id": 1, "cancel": True})
        self.assertEqual([(each["id"], each["code"]) for each in client.received()], [(1, 499)])
        client.actions.waiting[2].callback(None)
        self.assertEqual([(each["id"], each["code"]) for each in client.received()], [(2, 200)])

    def test_cancel_unknown_id(self) -> None:
        """A cancel of an id that is not pending does nothing."""
        client = connect()
        client.send({"id": 1, "cancel": True}, {"cancel": True}, {"id": 2})
        self.assertEqual([each["id"] for each in client.received()], [2])

    def test_oneway(self) -> None:
        """A oneway request never gets a reply, with or without an id."""
        client = connect()
        client.send(
            {"oneway": True}, {"id": 1, "oneway": True}, wait(1, oneway=True), wait(2, id=2, oneway=True)
        )
        client.send({"path": "/wrong", "oneway": True})
        client.actions.waiting[1].callback(1)
        client.actions.waiting[2].callback(1)
        self.assertEqual(client.transport.value(), b"")
        self.assertEqual(len(client.actions.requests), 5)

    def test_invalid_oneway(self) -> None:
        """A malformed one gets no reply either, nor one with the id of a pending request."""
        client = connect()
        client.send(wait(1, id=1), {"id": 1, "oneway": True}, {"oneway": True, "path": 5})
        self.assertEqual(client.transport.value(), b"")
        client.send({"oneway": "yes", "id": 2})
        self.assertEqual([(each["id"], each["code"]) for each in client.received()], [(2, 400)])

    def test_oneway_does_not_hold_up_bare_ones(self) -> None:
        """Bare replies do not wait for a oneway request."""
        client = connect()
        client.send(wait(1, oneway=True), {"data": {"n": 2}})
        self.assertEqual(client.received(), [{"n": 2}])

    def test_deadline(self) -> None:
        """A request that takes too long is answered with 504."""
        client = connect()
        client.actions.seconds = 2.5
        client.send(wait(1, id=1))
        client.turn(2)
        self.assertEqual(client.received(), [])
        client.turn(1)
        self.assertEqual([each["code"] for each in client.received()], [504])

    def test_client_disconnects(self) -> None:
        """When the client disconnects, its actions are cancelled, and nothing is written."""
        client = connect()
        client.send(wait(1, id=1), wait(2))
        client.connection.connectionLost()
        self.assertEqual(client.actions.stopped, [Cancelled.code] * 2)
        self.assertEqual(client.transport.value(), b"")
        self.assertEqual(client.clock.getDelayedCalls(), [])
        self.assertEqual(len(client.registry), 0)

    def test_half_closed(self) -> None:
        """A client that has shut down its sending side gets its replies."""
        client = connect()
        client.send(wait(1, id=1))
        client.connection.readConnectionLost()
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback(None)
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([1], "lose"))


class AdmissionTests(SynchronousTestCase):
    """Which processes may connect."""

    def test_too_many(self) -> None:
        """A connection over the limit gets 503, and does not count after it is closed."""
        client = connect(Limits(max_connections=1))
        transport, other = client.connect_another()
        self.assertEqual((transport.lines()[0]["code"], transport.closed), (503, "half"))
        other.connectionLost()
        client.send({"id": 1})
        self.assertEqual(client.received()[0]["code"], 200)

    def test_refused_do_not_count(self) -> None:
        """Refused connections that linger take no place of others, and only 16 of them linger."""
        client = connect(Limits(max_connections=2))
        client.connect_another()
        crowd = [client.connect_another() for _ in range(20)]
        self.assertEqual([transport.closed for transport, _ in crowd], ["half"] * 16 + ["lose"] * 4)
        client.connection.connectionLost()
        transport, _ = client.connect_another()
        self.assertEqual(transport.closed, "")
        for _, connection in crowd:
            connection.connectionLost()
        transport, _ = client.connect_another()
        self.assertEqual((transport.lines()[0]["code"], transport.closed), (503, "half"))
