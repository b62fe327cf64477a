"""The load generator notices each fault of a server, so that "no failures" is meaningful."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil

from tests.functional.fake_server import RIGHT, FakeTestCase, Peer, eventually
from tests.functional.load_harness import Load
from tests.functional.orchestrator_process import OrchestratorTestCase

_BRIEF = 0.4  # seconds; a timeout that expires


class HonestTests(FakeTestCase):
    """A server without faults."""

    def test_all_well(self) -> None:
        """Each request has its own id and the token; each reply is counted; a full backlog is waited for."""
        outcome = self.outcome(Peer.serve, count=1000, connections=20)
        self.assertFailed(outcome)
        self.assertEqual(
            (outcome.connected, outcome.reconnects, outcome.goaways, outcome.retried), (20, 0, 0, 0)
        )
        requests = [request for peer in self.fake.peers.values() for request in peer.got]
        self.assertEqual(outcome.answered, len(requests))
        self.assertEqual(len({request.pop("id") for request in requests}), len(requests))
        self.assertEqual(requests[0], {"method": "GET", "path": "/item/7", "auth_token": "abc"})
        self.assertAlmostEqual(outcome.rate, outcome.answered / outcome.seconds)
        self.assertTrue(0.0 < outcome.longest_gap < outcome.seconds)
        self.assertTrue(0.0 < outcome.slowest < outcome.seconds)

    def test_in_flight(self) -> None:
        """Several requests are pending at a time; replies may come in any order, and in pieces."""

        def serve_backwards(peer: Peer) -> None:
            while True:
                ids = reversed([peer.next() for _ in range(8)])
                replies = b"".join(json.dumps({"id": each} | RIGHT).encode() + b"\n" for each in ids)
                peer.connection.sendall(replies[:10])
                peer.connection.sendall(replies[10:])

        outcome = self.outcome(serve_backwards, in_flight=8, method="POST", data={"a": 1})
        self.assertFailed(outcome)
        self.assertEqual(outcome.answered % 8, 0)
        request = self.fake.peers[0].got[0]
        self.assertEqual((request["method"], request["data"]), ("POST", {"a": 1}))

    def test_rate(self) -> None:
        """The rate is limited."""
        outcome = self.outcome(Peer.serve, count=30, connections=3, rate=100.0)
        self.assertFailed(outcome)
        self.assertLess(outcome.answered, 100.0 * outcome.seconds + 7)

    def test_ended_idle(self) -> None:
        """An idle connection that ends is replaced."""
        outcome = self.outcome(Peer.answer, Peer.serve, count=2, rate=2.0)
        self.assertFailed(outcome)
        self.assertEqual((outcome.reconnects, len(self.got())), (1, 2))

    def test_not_there_yet(self) -> None:
        """It waits for a server that listens later."""
        load = self.load(connections=5)
        time.sleep(0.3)
        self.listen(Peer.serve)
        eventually(lambda: len(self.got()) == 5)
        self.assertFailed(load.stop())


class TroubleTests(FakeTestCase):
    """Faults of a server."""

    def test_lost_reply(self) -> None:
        """When a connection ends, each of its pending requests is a failure."""

        def lose(peer: Peer) -> None:
            peer.answer(5)
            first, second = peer.next(), peer.next()
            peer.connection.shutdown(socket.SHUT_RD)  # the client cannot send any more
            peer.send(id=first, **RIGHT)
            time.sleep(0.1)
            peer.send(id=second, **RIGHT)

        outcome = self.outcome(lose, Peer.serve, in_flight=2)
        self.assertFailed(outcome, "lost reply to 8", "lost reply to 9")
        self.assertEqual((outcome.reconnects, outcome.answered), (0, sum(self.got())))

    def test_unread_request(self) -> None:
        """A request that the server has not read is lost."""

        def leave(peer: Peer) -> None:
            peer.answer()
            peer.connection.recv(1, socket.MSG_PEEK)

        self.assertFailed(self.outcome(leave, Peer.serve), "lost reply to 2: [Errno 104]")

    def test_wrong_reply(self) -> None:
        """Wrong codes, wrong data, missing data, items and invalid replies are failures."""

        def answer_wrongly(peer: Peer) -> None:
            peer.send(id=peer.next(), code=500, data={"id": 7})
            peer.send(id=peer.next(), code=200, data={"id": 8})
            peer.send(id=peer.next(), code=200)
            peer.send(id=peer.next(), **RIGHT, more=True)
            peer.next()
            peer.connection.sendall(b"what?\n")

        outcome = self.outcome(answer_wrongly, Peer.serve)
        self.assertFailed(outcome, "500", '{"id": 8}', "200}", "more", "what?", "lost reply to 5")
        self.assertEqual(outcome.answered, self.got()[1])

    def test_unknown_id(self) -> None:
        """Unexpected replies, and a reply without its end, are failures."""

        def chatter(peer: Peer) -> None:
            peer.answer()
            for message in ({"id": 1}, {"id": 1000000}, {}):
                peer.send(**message, **RIGHT)
            peer.connection.sendall(b"{")

        outcome = self.outcome(chatter, Peer.serve, rate=2.0, count=2)
        self.assertFailed(outcome, *["no pending request has this id"] * 3, "incomplete reply")

    def test_no_reply(self) -> None:
        """A request without a reply in time is one failure; others continue."""

        def dawdle(peer: Peer) -> None:
            ignored = peer.next()
            peer.answer(5)
            peer.send(id=ignored, **RIGHT)
            peer.serve()

        self.assertFailed(self.outcome(dawdle, timeout=1.0), "no reply to 1 in time")

    def test_no_reply_at_the_end(self) -> None:
        """After the stop, it waits for pending requests."""

        def ignore(peer: Peer) -> None:
            peer.answer(20)
            while True:
                peer.next()

        outcome = self.outcome(ignore, count=20, timeout=_BRIEF)
        self.assertGreater(outcome.failures, 0)
        self.assertFailed(outcome, *["in time"] * (self.got()[0] - 20))
        self.assertEqual(outcome.answered, 20)

    def test_cannot_connect(self) -> None:
        """A server that is absent for too long is a failure."""
        load = self.load(timeout=_BRIEF)
        eventually(load.failures)
        outcome = load.stop()
        self.assertFailed(outcome, *["could not connect"] * (outcome.failures - 1), "never connected")
        self.assertEqual((outcome.answered, outcome.connected), (0, 0))

    def test_many_failures(self) -> None:
        """All failures are counted, the first 20 with their text; waiting for replies may time out."""

        def refuse(peer: Peer) -> None:
            for _ in range(100):
                peer.send(id=peer.next(), code=503)
            peer.next()

        self.listen(refuse)
        load = self.load(timeout=_BRIEF)
        eventually(lambda: load.failures() >= 100)
        self.assertIn("503", str(self.assertRaises(AssertionError, load.started, 10, 0.1)))
        outcome = load.stop()
        self.assertEqual((outcome.answered, len(outcome.failed)), (0, 20))


class GoawayTests(FakeTestCase):
    """Goaway."""

    def test_honoured(self) -> None:
        """After goaway, requests use a new connection; the old one is closed with its last reply."""
        rest: list[bytes] = []

        def leave(peer: Peer) -> None:
            peer.answer(5)
            ids = [peer.next(), peer.next()]
            peer.send(goaway=True)
            eventually(lambda: len(self.got()) == 2 and self.got()[1] > 20)
            for each in ids:
                peer.send(id=each, **RIGHT)
            rest.append(peer.rfile.read())

        self.listen(leave, Peer.serve)
        load = self.load(in_flight=2)
        eventually(lambda: rest)
        outcome = load.stop()
        self.assertFailed(outcome)
        self.assertEqual((rest, self.got()[0]), ([b""], 7))
        self.assertEqual((outcome.goaways, outcome.reconnects, outcome.retried), (1, 0, 0))
        self.assertEqual(outcome.answered, sum(self.got()))

    def test_idle(self) -> None:
        """Without pending requests, the connection is closed at once."""
        rest: list[bytes] = []

        def dismiss(peer: Peer) -> None:
            peer.answer()
            peer.send(goaway=True)
            rest.append(peer.rfile.read())

        self.listen(dismiss, Peer.serve)
        load = self.load(rate=2.0)
        eventually(lambda: rest)
        load.started(2)
        outcome = load.stop()
        self.assertFailed(outcome)
        self.assertEqual((rest, outcome.goaways, outcome.reconnects), ([b""], 1, 0))

    def test_lost_after_goaway(self) -> None:
        """A request that is not answered before the connection ends is lost, and may be retried."""

        def dismiss(peer: Peer) -> None:
            peer.next()
            peer.send(goaway=True)

        self.assertFailed(self.outcome(dismiss, Peer.serve), "lost reply to 1")
        os.remove(self.path)
        outcome = self.outcome(dismiss, Peer.serve, retry=True)
        self.assertFailed(outcome)
        self.assertEqual(outcome.retried, 1)


class RetryTests(FakeTestCase):
    """Retries."""

    def test_repeatable(self) -> None:
        """A lost GET is sent again on a new connection, and is no failure."""
        outcome = self.outcome(Peer.next, Peer.next, Peer.serve, retry=True)
        self.assertFailed(outcome)
        first, second, third = (self.fake.peers[number].got[0] for number in range(3))
        self.assertEqual((first, first), (second, third))
        self.assertEqual((outcome.retried, outcome.reconnects, outcome.answered), (2, 0, self.got()[2]))

    def test_not_repeatable(self) -> None:
        """A lost POST is a failure."""
        outcome = self.outcome(Peer.next, Peer.serve, retry=True, method="POST")
        self.assertFailed(outcome, "lost reply to 1")
        self.assertEqual((outcome.retried, outcome.answered), (0, self.got()[1]))

    def test_in_vain(self) -> None:
        """A call that is lost repeatedly is a failure after its timeout."""

        def lose(peer: Peer) -> None:
            peer.next()
            time.sleep(0.05)

        self.listen(lose)
        load = self.load(retry=True, timeout=_BRIEF)
        eventually(load.failures)
        outcome = load.stop()
        self.assertFailed(outcome, *["repl"] * outcome.failures)
        self.assertGreater(outcome.retried, 0)

    def test_cannot_be_retried(self) -> None:
        """A lost call that cannot be sent again is a failure, also after the stop."""

        def vanish(peer: Peer) -> None:
            peer.answer()
            peer.next()
            os.remove(self.path)

        outcome = self.outcome(vanish, count=1, retry=True, timeout=_BRIEF)
        self.assertTrue(any("lost reply to 2, and no connection" in text for text in outcome.failed), outcome)
        self.assertEqual((outcome.answered, outcome.retried), (1, 0))


class ProcessTests(FakeTestCase):
    """The process of the load generator."""

    def test_parent_dies(self) -> None:
        """It ends with the process that has started it."""
        self.listen(Peer.serve)
        code = (
            "import os, sys; from tests.functional.load_harness import Load; load = Load(sys.argv[1], None); "
            "load.started(10); os.write(1, b'%d' % load.process.pid); os.kill(os.getpid(), 9)"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code, self.path]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, timeout=20)
        self.assertEqual(done.returncode, -signal.SIGKILL)

        def is_gone() -> bool:
            try:
                return psutil.Process(int(done.stdout)).status() == psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                return True

        eventually(is_gone)

    def test_killed(self) -> None:
        """If it crashes, there is no outcome."""
        self.listen(Peer.serve)
        load = self.load()
        load.started(10)
        load.process.kill()
        self.assertRaises(AssertionError, load.further)
        self.assertRaises(AssertionError, load.stop)


class OrchestratorTests(OrchestratorTestCase):
    """Against a real service."""

    def test_no_failures(self) -> None:
        """The service has counted as many requests."""
        self.start()
        load = Load(self.path(), self.token())
        self.addCleanup(load.end)
        load.started()
        load.further()
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.connected), (0, 20), outcome)
        self.assertGreater(outcome.rate, 1000.0)
        self.assertEqual(self.ask("orchestrator", "/status")["codes"]["requests"], outcome.answered)
