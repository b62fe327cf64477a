"""The bytes that a service counts on its sockets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import connect, wait

_MESSAGES = (
    b'{"id":1,"data":{"a":1}}\n',
    b'{"id":"x"}\n',
    b'{"id":3,"path":7}\n',
    b'{"id":4,"oneway":true}\n',
)


class TrafficTests(SynchronousTestCase):
    """Each byte of a message and of a reply counts, however it comes."""

    @given(st.lists(st.sampled_from(_MESSAGES), min_size=1, max_size=9), st.integers(1, 99))
    def test_cut_anywhere(self, messages: list[bytes], cut: int) -> None:
        """Whole messages, several at once, and parts of them; the connection may be open or lost."""
        client, stream = connect(), b"".join(messages)
        for start in range(0, len(stream), cut):
            client.raw(stream[start : start + cut])
        client.turn()
        traffic = client.registry.traffic
        expected = len(stream), len(client.transport.value())
        self.assertEqual((traffic.all_received(), traffic.sent), expected)
        client.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((traffic.all_received(), traffic.sent), expected)

    def test_unframed(self) -> None:
        """A message without a line end, and its reply."""
        client = connect()
        client.raw(b'{"data":{"a":1}}')
        traffic = client.registry.traffic
        self.assertEqual((traffic.all_received(), traffic.sent), (16, len(client.transport.value())))

    def test_later(self) -> None:
        """A reply counts when it is sent, also that of an action that waits."""
        client = connect()
        client.send(wait(1, id=1))
        self.assertEqual(client.registry.traffic.sent, 0)
        client.actions.waiting[1].callback("late")
        self.assertEqual(client.registry.traffic.sent, len(client.transport.value()))

    def test_from_zero(self) -> None:
        """What was received before a reset does not count, although the connection goes on."""
        client = connect()
        client.raw(_MESSAGES[0])
        traffic = client.registry.traffic
        traffic.clear()
        self.assertEqual((traffic.all_received(), traffic.sent), (0, 0))
        client.raw(_MESSAGES[1])
        self.assertEqual(traffic.all_received(), len(_MESSAGES[1]))
