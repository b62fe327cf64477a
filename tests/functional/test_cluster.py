"""Services of several hosts, joined by NATS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from functools import partial
from typing import Any, Final

import nats

from tests.functional.cluster_case import ClusterTestCase
from tests.functional.load_harness import Outcome
from tests.functional.nats_server import NatsServer
from tests.functional.orchestrator_process import OrchestratorProcess, full

CODES: Final = '[services.codes]\napp = "codes:app"\n'


def service(*names: str, module: str = "chain", **options: Any) -> str:
    """The tables of services."""
    keys = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    return "".join(f'[services.{name}]\napp = "{module}:{name}"\n{keys}' for name in names)


def ended(running: OrchestratorProcess) -> bool:
    """Whether a request has ended before its reply.

    Those below may hear first that the one above has taken its call back: it is the same moment.
    """
    return bool(running.logged("exceeded its deadline") or running.logged("was cancelled"))


class ChainTests(ClusterTestCase):
    """The first service calls the second one on another host, which calls the third one on a third host."""

    servers = 2

    def test_chain(self) -> None:
        """Request ids, streams, deadlines and cancellations cross hosts."""
        third = self.host("c", service("third"))
        self.host("b", service("second"))
        first = self.host("a", service("first"))
        with first.talk("first") as talk:
            reply = talk.ask(id=1, path="/names", meta={"request_id": "top"})
            self.assertEqual([each[0]["request_id"] for each in reply["data"]], ["top", "top"])
            self.assertEqual(first.ask("first", "/items")[1:], list(range(200)))
            self.assertEqual(talk.ask(id=2, path="/wait", timeout=0.5)["code"], 504)
        for host in self.hosts.values():
            host.eventually(partial(ended, host.running))
        before = len(third.running.logged("GET /wait was cancelled"))
        with first.talk("first") as talk:
            talk.send(id=1, path="/wait")
            third.eventually(lambda: third.ask("third", "/-/stats")["inflight"])
        third.running.until("GET /wait was cancelled", times=before + 1)

    def test_programs(self) -> None:
        """Programs that are no workers call services of other hosts as those of their own."""
        self.host("b", CODES)
        first = self.host("a", service("front", module="fronting"))
        done = first.command("call", "codes", "/item/7")
        self.assertEqual((done.code, json.loads(done.out)), (0, {"id": 7}))
        self.assertIn("no host has the service", first.command("call", "nope", "/").err)

    def test_foreign_client(self) -> None:
        """A program that knows only NATS finds the services of all hosts, and calls one."""
        for name in ("a", "b"):
            self.host(name, CODES)
        found, reply, failure = asyncio.run(ask_by_nats(self.nats[0].url))
        self.assertEqual(sorted(each["metadata"]["host"] for each in found), ["a", "b"])
        self.assertEqual({each["endpoints"][0]["subject"] for each in found}, {"unixsvc.svc.codes"})
        self.assertEqual(reply, {"id": 7})
        self.assertEqual(failure, {"Nats-Service-Error": "Not found", "Nats-Service-Error-Code": "404"})


async def ask_by_nats(url: str) -> tuple[list[Any], Any, Any]:
    """What a program gets that knows only NATS: the services, a reply, and the header fields of an error."""
    client = await nats.connect(url)
    found: list[Any] = []

    async def answered(message: Any) -> None:
        found.append(json.loads(message.data))

    await client.subscribe("answers", cb=answered)
    await client.publish("$SRV.INFO", b"", "answers")
    reply = await client.request("unixsvc.svc.codes", b'{"path": "/item/7"}', timeout=5)
    failure = await client.request("unixsvc.svc.codes", b'{"path": "/nothing"}', timeout=5)
    await asyncio.sleep(0.5)
    await client.close()
    return found, json.loads(reply.data), failure.headers


class FaultCase(ClusterTestCase):
    """A host whose service mounts that of two others; clients ask it without a pause.

    :ivar load: the clients.
    """

    servers = 2
    hosts_with_service: tuple[str, ...] = ("b",)

    def setUp(self) -> None:
        """Start all."""
        super().setUp()
        for name in self.hosts_with_service:
            self.host(name, CODES)
        self.front = self.host("a", service("front", module="fronting"))
        self.load_of = self.front.load("front", 4, in_flight=16)

    def calls(self) -> Any:
        """What the clients of the mounting service have to report about the other one."""
        return self.front.ask("orchestrator", "/metrics")["front"]["metrics"]["services"]["codes"]

    def server_of_front(self) -> NatsServer:
        """The server that the mounting service is connected to."""
        url = self.front.running.until("connected to the NATS server")["message"].rpartition(" ")[2]
        [found] = [each for each in self.nats if each.url.endswith(url)]
        return found

    def outcome(self, *, retries: bool = True) -> Outcome:
        """Stop the clients; every call was answered.

        :param retries: whether some calls may have been made twice.
        """
        outcome = self.front.assert_no_call_lost(self.load_of)
        self.record_value(
            f"{outcome.answered} calls, slowest {outcome.slowest:.3f} s, gap {outcome.longest_gap:.3f} s"
        )
        if not retries:
            self.assertEqual(self.calls()["retries"], 0)
        return outcome


class ReloadTests(FaultCase):
    def test_reloads(self) -> None:
        """Reloads of the answering service lose no call, and need no retry."""
        for _ in range(40 if full() else 5):
            self.assertEqual(self.hosts["b"].command("reload", "codes").code, 0)
            self.load_of.further(500)
        self.outcome(retries=False)

    def test_lame_duck(self) -> None:
        """Nor does a server that leaves: its clients move to another one before."""
        self.server_of_front().lame_duck()
        self.front.running.until("connected to the NATS server", times=2)
        self.load_of.further(2000)
        self.outcome(retries=False)


class ServerTests(FaultCase):
    def test_killed(self) -> None:
        """A server that is killed makes no repeatable call fail; its clients go on with another one."""
        self.load_of.further(1000)
        self.server_of_front().kill()
        self.front.running.until("connected to the NATS server", times=2)
        self.load_of.further(1000)
        self.assertLess(self.outcome().longest_gap, self.front.on_busy_machine(0.1))

    def test_stopped(self) -> None:
        """Nor does one that is silent, though it takes longer to see that."""
        self.load_of.further(1000)
        self.server_of_front().signal(signal.SIGSTOP)
        self.front.running.until("connected to the NATS server", times=2)
        self.load_of.further(1000)
        self.assertLess(self.outcome().longest_gap, self.front.on_busy_machine(2.0))


class HostTests(FaultCase):
    hosts_with_service = ("b", "c")

    def test_worker_killed(self) -> None:
        """A worker that is killed while it answers makes no repeatable call fail."""
        self.load_of.further(1000)
        for _ in range(3):
            host = self.hosts["b"]
            host.eventually(host.worker_pids)
            os.kill(host.worker_pids()[0], signal.SIGKILL)
            self.load_of.further(1000)
        self.assertLess(self.outcome().slowest, self.front.on_busy_machine(0.7))
