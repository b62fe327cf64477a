"""The load generator notices whatever a server does wrong, so that "no failures" means something."""

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
from tests.functional.orchestrator_process import RunningTestCase

_BRIEF = 0.4  # seconds of patience, where it is to run out


class HonestTests(FakeTestCase):
    """Of a server that does nothing wrong there is nothing to report."""

    def test_all_well(self) -> None:
        """Each request has its own id and the token; each answer is counted; a full backlog is waited for."""
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
        """So many are unanswered at a time; replies may come in any order and in pieces; data is sent."""

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
        """No more requests are made than the rate allows."""
        outcome = self.outcome(Peer.serve, count=30, connections=3, rate=100.0)
        self.assertFailed(outcome)
        self.assertLess(outcome.answered, 100.0 * outcome.seconds + 7)

    def test_ended_idle(self) -> None:
        """A connection that ends with nothing unanswered is replaced."""
        outcome = self.outcome(Peer.answer, Peer.serve, count=2, rate=2.0)
        self.assertFailed(outcome)
        self.assertEqual((outcome.reconnects, len(self.got())), (1, 2))

    def test_not_there_yet(self) -> None:
        """Who listens only later is waited for."""
        load = self.load(connections=5)
        time.sleep(0.3)
        self.listen(Peer.serve)
        eventually(lambda: len(self.got()) == 5)
        self.assertFailed(load.stop())


class TroubleTests(FakeTestCase):
    """What a server does wrong is reported."""

    def test_lost_reply(self) -> None:
        """When a connection ends, each of its unanswered requests is a failure, sent or not; no other is."""

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
        """A request that the server has not even read is no less lost."""

        def leave(peer: Peer) -> None:
            peer.answer()
            peer.connection.recv(1, socket.MSG_PEEK)

        self.assertFailed(self.outcome(leave, Peer.serve), "lost reply to 2: [Errno 104]")

    def test_wrong_reply(self) -> None:
        """Another code, other data, none at all, a part of a stream, and what is no reply."""

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
        """A second reply to a request, one to none, one without an id, and one that breaks off."""

        def chatter(peer: Peer) -> None:
            peer.answer()
            for message in ({"id": 1}, {"id": 1000000}, {}):
                peer.send(**message, **RIGHT)
            peer.connection.sendall(b"{")

        outcome = self.outcome(chatter, Peer.serve, rate=2.0, count=2)
        self.assertFailed(outcome, *["nothing unanswered has this id"] * 3, "not all of it")

    def test_no_reply(self) -> None:
        """A request without a reply in time is a failure, once; others go on."""

        def dawdle(peer: Peer) -> None:
            ignored = peer.next()
            peer.answer(5)
            peer.send(id=ignored, **RIGHT)
            peer.serve()

        self.assertFailed(self.outcome(dawdle, patience=1.0), "no reply to 1 in time")

    def test_no_reply_at_the_end(self) -> None:
        """What is unanswered when it is told to stop is waited for, in vain too."""

        def ignore(peer: Peer) -> None:
            peer.answer(20)
            while True:
                peer.next()

        outcome = self.outcome(ignore, count=20, patience=_BRIEF)
        self.assertGreater(outcome.failures, 0)
        self.assertFailed(outcome, *["in time"] * (self.got()[0] - 20))
        self.assertEqual(outcome.answered, 20)

    def test_cannot_connect(self) -> None:
        """Nobody there for too long, and nobody there when it is told to stop."""
        load = self.load(patience=_BRIEF)
        eventually(load.failures)
        outcome = load.stop()
        self.assertFailed(outcome, *["could not connect"] * (outcome.failures - 1), "never connected")
        self.assertEqual((outcome.answered, outcome.connected), (0, 0))

    def test_many_failures(self) -> None:
        """All failures are counted, the first 20 told; to wait for answers that do not come is an error."""

        def refuse(peer: Peer) -> None:
            for _ in range(100):
                peer.send(id=peer.next(), code=503)
            peer.next()

        self.listen(refuse)
        load = self.load(patience=_BRIEF)
        eventually(lambda: load.failures() >= 100)
        self.assertIn("503", str(self.assertRaises(AssertionError, load.started, 10, 0.1)))
        outcome = load.stop()
        self.assertEqual((outcome.answered, len(outcome.failed)), (0, 20))


class GoawayTests(FakeTestCase):
    """A connection that the server is about to leave."""

    def test_honoured(self) -> None:
        """Nothing is sent on it, all goes on on a new one; replies still count; then the client closes it."""
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
        """With nothing unanswered the client closes it at once."""
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

    def test_broken_promise(self) -> None:
        """What was unanswered and is not answered is lost, and sent again if that is wanted."""

        def dismiss(peer: Peer) -> None:
            peer.next()
            peer.send(goaway=True)

        self.assertFailed(self.outcome(dismiss, Peer.serve), "lost reply to 1")
        os.remove(self.path)
        outcome = self.outcome(dismiss, Peer.serve, retry=True)
        self.assertFailed(outcome)
        self.assertEqual(outcome.retried, 1)


class RetryTests(FakeTestCase):
    """Calls that are made again."""

    def test_repeatable(self) -> None:
        """A lost GET is sent again, as it was, on a new connection, and is no failure."""
        outcome = self.outcome(Peer.next, Peer.next, Peer.serve, retry=True)
        self.assertFailed(outcome)
        first, second, third = (self.fake.peers[number].got[0] for number in range(3))
        self.assertEqual((first, first), (second, third))
        self.assertEqual((outcome.retried, outcome.reconnects, outcome.answered), (2, 0, self.got()[2]))

    def test_not_repeatable(self) -> None:
        """A lost POST is not."""
        outcome = self.outcome(Peer.next, Peer.serve, retry=True, method="POST")
        self.assertFailed(outcome, "lost reply to 1")
        self.assertEqual((outcome.retried, outcome.answered), (0, self.got()[1]))

    def test_in_vain(self) -> None:
        """A call that is lost again and again is a failure when it is too old."""

        def lose(peer: Peer) -> None:
            peer.next()
            time.sleep(0.05)

        self.listen(lose)
        load = self.load(retry=True, patience=_BRIEF)
        eventually(load.failures)
        outcome = load.stop()
        self.assertFailed(outcome, *["repl"] * outcome.failures)
        self.assertGreater(outcome.retried, 0)

    def test_nobody_left(self) -> None:
        """A lost call for which no other connection can be made is a failure, also after the stop."""

        def vanish(peer: Peer) -> None:
            peer.answer()
            peer.next()
            os.remove(self.path)

        outcome = self.outcome(vanish, count=1, retry=True, patience=_BRIEF)
        self.assertTrue(any("lost reply to 2, and no connection" in text for text in outcome.failed), outcome)
        self.assertEqual((outcome.answered, outcome.retried), (1, 0))


class ProcessTests(FakeTestCase):
    """The process of its own."""

    def test_parent_dies(self) -> None:
        """It does not outlive who started it."""
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
        """There is no outcome if it comes to a bad end."""
        self.listen(Peer.serve)
        load = self.load()
        load.started(10)
        load.process.kill()
        self.assertRaises(AssertionError, load.further)
        self.assertRaises(AssertionError, load.stop)


class OrchestratorTests(RunningTestCase):
    """The real server."""

    def test_no_failures(self) -> None:
        """It answers all, and has counted as many."""
        self.start()
        load = Load(self.path(), self.token())
        self.addCleanup(load.end)
        load.started()
        load.further()
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.connected), (0, 20), outcome)
        self.assertGreater(outcome.rate, 1000.0)
        self.assertEqual(self.ask("orchestrator", "/status")["codes"]["requests"], outcome.answered)
