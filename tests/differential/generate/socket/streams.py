"""Scenes with streams on a socket: with and without credit, pushed, cancelled and failing."""

from __future__ import annotations

from tests.differential.generate.socket.drafts import Scene
from tests.differential.generate.socket.simple import simple
from tests.differential.generate.values import any_value

__all__ = ["credit", "feed", "late_stream", "stream"]


def stream(scene: Scene) -> None:
    """A stream that never waits, without a limit of credit."""
    random = scene.random
    path, data = random.choice((
        ("/count", {"to": random.choice((0, 1, 5, 64, 65, 130))}), ("/count", {"to": 3, "size": 9000}),
        ("/count", {"to": "x"}),
        ("/stream/fail", {"after": 0}), ("/stream/fail", {"after": 3}), ("/stream/fail", {"after": 2,
        "secret": True}),
        ("/stream/raw", {}), ("/stream/unspeakable", {}), ("/stream/contained", {}), ("/m/count", {"to": 2}),
    ))  # fmt: skip
    kind = random.randrange(8)
    if kind == 0:  # which cannot be
        scene.say(path=path, data=data)
    elif kind == 1:
        scene.say(id=scene.new_id(), path=path, data=data, oneway=True)
    else:
        found = scene.ask(path, data=data, **({"timeout": 30} if kind == 2 else {}))
        if random.random() < 0.5:
            simple(scene)
        scene.until(found)


def credit(scene: Scene) -> None:
    """A stream with limited credit."""
    random = scene.random
    to, first = random.choice((0, 1, 4, 10, 100)), random.choice((0, 1, 2, 10, 64, 90))
    if scene.prefix:  # credit that is granted before the mounted service has started its stream would be lost
        first = max(first, 1)
    path = random.choice(("/count", "/count", "/stream/fail"))
    data = {"to": to} if path == "/count" else {"after": to}
    found = scene.ask(path, data=data, credit=first)
    scene.until(found, items=min(first, to))
    if random.random() < 0.3:
        simple(scene)
        scene.sync()
    granted = first
    while granted <= to and random.random() < 0.8:
        more = random.choice((0, 1, 3, 50))
        scene.say(id=found, credit=more)
        granted += more
        scene.until(found, items=min(granted, to))
    if granted <= to and random.random() < 0.5:
        scene.say(id=found, cancel=True)
    elif granted <= to:
        scene.say(id=found, credit=1000)
    scene.until(found)
    if random.random() < 0.3:
        scene.say(id=random.choice((found, "never there")), credit=random.choice((1, 0, -1)))


def feed(scene: Scene) -> None:
    """A stream of pushed items."""
    random = scene.random
    limited = random.random() < 0.5
    found = scene.ask(f"/feed/{scene.gate}", **({"credit": 100} if limited else {}))
    count = 0
    for _ in range(random.randrange(4)):
        items = [any_value(random, 1) for _ in range(random.choice((1, 1, 3)))]
        count += len(items)
        pushed = scene.ask(f"/feed/{scene.gate}/push", "POST", data={"items": items})
        if scene.prefix:  # several streams continue in any order
            scene.until(pushed)
        if random.random() < 0.4:
            scene.until(found, items=count)
    scene.until(found, items=count)
    if random.random() < 0.5:
        scene.ask(f"/feed/{scene.gate}/push", "POST", data={"over": True})
    else:
        scene.say(id=found, cancel=True)
    scene.until(found)
    scene.until(scene.ask(f"/gate/{scene.gate}/ends"))


def late_stream(scene: Scene) -> None:
    """A stream that exceeds its deadline while it waits for items or for credit."""
    random = scene.random
    if random.random() < 0.5:
        found = scene.ask(f"/feed/{scene.gate}", timeout=0.05)
        scene.ask(f"/feed/{scene.gate}/push", "POST", data={"items": []})
    else:
        found = scene.ask("/count", data={"to": 50}, credit=3, timeout=0.05)
    scene.until(found)
