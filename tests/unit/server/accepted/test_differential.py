"""Both ways of serving a connection, held against each other in random conversations.

``UNIXSVC_CONVERSATIONS`` is their number, ``UNIXSVC_SEED`` the number of the first.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.server.accepted.conversations import MAX_MESSAGE, NOT_REQUESTS, Step, conversation
from tests.unit.server.accepted.world import Policy, World
from unixsvc.config.settings import Limits
from unixsvc.domain.request_context import set_current_request

_COUNT: Final = int(os.environ.get("UNIXSVC_CONVERSATIONS", "300"))
_FIRST: Final = int(os.environ.get("UNIXSVC_SEED", "1"))
_LIMITS: Final = Limits(
    max_connections=3,
    max_message_bytes=MAX_MESSAGE,
    idle_timeout=6,
    message_timeout=3,
    authentication_timeout=4,
    max_inflight=3,
)


class DifferentialTests(SynchronousTestCase):
    """A peer cannot tell whether its connection is served before there is a transport."""

    def test_conversations(self) -> None:
        """Clients get the same bytes and the same end, and actions see the same, in both ways."""
        # A conversation may end while an action waits: its request would be the current one of later tests.
        self.addCleanup(set_current_request, None)
        taken = left = 0
        for seed in range(_FIRST, _FIRST + _COUNT):
            random = Random(seed)  # noqa: S311  # no secret
            policies: tuple[Policy, ...] = ("required", "private", "off")
            policy = random.choice(policies)
            steps = conversation(random)
            ways = self.compare(seed, policy, steps)
            taken += sum(ways)
            left += len(ways) - sum(ways)
        self.assertGreater(taken, _COUNT // 2)
        self.assertGreater(left, _COUNT // 4)

    def compare(self, seed: int, policy: Policy, steps: list[Step]) -> list[bool]:
        """Run one conversation in both ways; which way each connection took."""
        worlds = [World(_LIMITS, policy, at_once=at_once) for at_once in (True, False)]
        try:
            for index, step in enumerate(steps):
                expected = is_served_at_once(worlds[0], step)
                for world in worlds:
                    carry_out(world, step)
                done = "\n".join(map(repr, steps[: index + 1]))
                first, second = (world.state() for world in worlds)
                self.assertEqual(first, second, f"conversation {seed} ({policy}):\n{done}")
                if expected is not None:
                    self.assertEqual(worlds[0].ways[-1:], [expected], f"conversation {seed}:\n{done}")
            return worlds[0].ways
        finally:
            for world in worlds:
                world.close()


def carry_out(world: World, step: Step) -> None:
    """Do one step, and what follows from it."""
    kind, number, data = step
    client = world.clients[number] if number < len(world.clients) else world.connect(data)
    if kind == "send":
        client.send(data)
    elif kind in ("end", "close"):
        (client.end if kind == "end" else client.close)()
    elif kind in ("read", "stop reading"):
        client.reads = kind == "read"
    elif kind == "advance":
        world.advance(2)
    elif kind == "drain":
        world.registry.drain(wait_for_idle=False)
    elif kind == "abort":
        world.registry.abort()
    elif kind == "answer":
        world.answer()
    elif kind == "review":
        world.review()
    world.settle()


def is_served_at_once(world: World, step: Step) -> bool | None:
    """Whether a new connection is to be served before there is a transport; None if there is no new one."""
    kind, _, data = step
    if kind != "connect":
        return None
    if not world.registry.may_serve_descriptors():
        return False
    if data.find(b"\n") not in (-1, len(data) - 1) or data[-1:] not in (b"\n", b"}"):
        return False
    if data in NOT_REQUESTS or len(data) > MAX_MESSAGE:
        return False
    try:
        message = json.loads(data)
    except ValueError:
        return False
    return not message.keys() & {"oneway", "credit"} and (data[-1:] == b"\n" or "id" not in message)
