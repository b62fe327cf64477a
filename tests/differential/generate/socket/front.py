"""Scenes with a service that calls or mounts another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.differential.generate.socket.drafts import Scene
from tests.differential.generate.socket.scenes import deadline, gate
from tests.differential.generate.socket.simple import simple
from tests.differential.generate.socket.streams import credit, feed, stream
from tests.differential.generate.values import FAILURES, any_request

__all__ = ["FRONT"]


def mounted_cancel(scene: Scene) -> None:
    """A request that waits in the mounted service, and is cancelled."""
    way = scene.random.choice(("", "/shielded", "/stubborn", "/another"))
    waits = scene.ask(f"/gate/{scene.gate}{way}")
    scene.until(scene.ask(f"/gate/{scene.gate}/started"))
    scene.say(id=waits, cancel=True)
    scene.until(waits)
    if way == "/shielded":
        scene.until(scene.open())
    scene.until(scene.ask(f"/gate/{scene.gate}/ends"))


def via(scene: Scene) -> None:
    """Calls from an action, and their errors."""
    random, scene.prefix = scene.random, ""
    for _ in range(random.choice((1, 3))):
        data: dict[str, Any] = {"path": "/item/1"}
        match random.randrange(6):
            case 0:
                sample = any_request(random)
                data = {"path": sample.target, "method": sample.method, "data": sample.data or {}}
            case 1:
                failure = {
                    "name": random.choice(FAILURES),
                    "detail": random.choice((None, "x", [1], {"a": 1})),
                }
                data = {"path": "/fail/now", "method": "POST", "data": failure}
            case 2:
                data["service"] = random.choice(("hasty", "orchestrator", f"absent{scene.gate}"))
            case 3:
                data = {"path": f"/tally/{scene.gate}", "method": "POST", "key": scene.gate}
            case 4:
                data["path"] = random.choice(("item", "", "/asked?x=1", "/count", "/stream/raw", "/-/ping"))
        scene.ask("/via", "POST", data=data)
    if random.random() < 0.3:
        scene.ask(
            "/via/together",
            "POST",
            data={"paths": random.choices(("/item/1", "/item/2", "/slow", "/missing"), k=3)},
        )
    if random.random() < 0.3:
        scene.ask(
            "/via/limited",
            "POST",
            data={"path": f"/gate/{scene.gate}", "seconds": random.choice((0, -1))},
        )


def absent(scene: Scene) -> None:
    """Calls to a service that does not exist, until the circuit breaker opens."""
    scene.prefix = ""
    for _ in range(scene.random.choice((1, 4, 6, 7))):
        scene.until(scene.ask("/via", "POST", data={"path": "/", "service": f"absent{scene.gate}"}))


def via_stream(scene: Scene) -> None:
    """A stream that an action passes on."""
    random, scene.prefix = scene.random, ""
    path = random.choice(
        (
            "/count?to=5",
            "/count?to=200",
            "/stream/raw",
            "/stream/unspeakable",
            "/item/1",
            "/missing",
            "/stream/fail?after=2",
        )
    )
    scene.until(scene.ask("/via/stream", data={"path": path, "most": random.choice((0, 1, 3, 1000))}))


def others(scene: Scene) -> None:
    """Mounts of all kinds."""
    random, scene.prefix = scene.random, ""
    for _ in range(random.choice((1, 3))):
        path = random.choice(
            (
                "/item/1",
                "/item",
                "/items",
                "/things/3",
                "/things",
                "/m",
                "/m/",
                "/slow/x/y",
                "/m/m",
            )
        )
        scene.ask(path, random.choice(("", "", "POST")), data=random.choice(({}, {"x": 1})))
    scene.until(scene.ask("/count", data={"to": random.choice((0, 3, 70, 150))}))
    if random.random() < 0.2:  # a longer deadline here than in the mounted service
        scene.until(scene.ask(f"/slow/{scene.gate}"))


FRONT: Final[Sequence[tuple[Callable[[Scene], None], int]]] = (
    (simple, 8), (gate, 3), (deadline, 1), (stream, 3), (credit, 3), (feed, 3), (mounted_cancel, 3), (via,
    6), (via_stream, 3),
    (others, 4),
    (absent, 1),
)  # fmt: skip
