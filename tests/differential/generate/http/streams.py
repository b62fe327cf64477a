"""Scenes with streams over HTTP."""

from __future__ import annotations

from tests.differential.generate.http.requests import HttpScene
from tests.differential.generate.values import any_value

__all__ = ["feed", "stream"]


def stream(scene: HttpScene) -> None:
    """A stream that never waits, as lines or as events."""
    random = scene.random
    accepts = (
        "text/event-stream",
        "application/jsonl",
        "text/event-stream, */*",
        "text/event-stream;q=0.5, application/json",
        "*/*",
        "text/*",
    )
    for _ in range(random.choice((1, 2))):
        target = random.choice((
            "/count?to=0", "/count?to=3", "/count?to=100&size=50", "/count?to=x", "/stream/fail",
            "/stream/fail?after=2", "/stream/raw",
            "/stream/fail?after=1&secret=true", "/stream/unspeakable", "/stream/contained", "/m/count?to=70",
            "/front/stream?path=/count%3Fto%3D3",
        ))  # fmt: skip
        headers = [f"Accept: {random.choice(accepts)}"] if random.random() < 0.7 else []
        if target.startswith("/stream/"):  # a late failure ends the connection, except for events
            headers = ["Accept: text/event-stream"]
        scene.ask(random.choice(("GET", "GET", "GET", "HEAD")), target, headers, named=True)
        scene.answered()


def feed(scene: HttpScene) -> None:
    """A stream of pushed items."""
    random = scene.random
    scene.ask("GET", f"/feed/{scene.gate}", random.choice(([], ["Accept: text/event-stream"])), named=True)
    if random.random() < 0.5:
        scene.ask("GET", "/item/1")
    scene.answer("GET", f"/gate/{scene.gate}/started")
    for number in range(random.randrange(3)):
        scene.answer("POST", f"/feed/{scene.gate}/push", {"items": [number, any_value(random, 1)]})
    scene.answer("POST", f"/feed/{scene.gate}/push", {"items": ["last"], "over": True})
    scene.answered()
