"""Scenes on a socket that leave the connection open: requests, waits, deadlines, cancels, keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.differential.generate.socket.drafts import Scene
from tests.differential.generate.socket.simple import simple
from tests.differential.generate.socket.streams import credit, feed, late_stream, stream
from tests.differential.generate.values import any_request, any_text, any_value
from tests.differential.steps import NAMESPACE

__all__ = ["SIMPLE", "TRUSTED"]


def wrong_fields(scene: Scene) -> None:
    """JSON messages that are not valid requests."""
    random = scene.random
    wrong: dict[str, Sequence[Any]] = {
        "id": (1.5, True, None, [], {}, 2**64, -(2**64), "x"), "method": (1, None, "", "GET "),
        "path": ("", "item/1", 1, None, "?a=1", "/item/1?", "/search?limit=%ff", "/item/1?a=%zz", "//item/1"),
        "data": ([], "x", 1, None, True), "auth_token": (1, [], {}), "timeout": ("1", None, True, []),
        "meta": ({"a": 1}, [], "x", None, {"request_id": None}), "oneway": (1, "true", None),
        "cancel": (1, "yes", None), "credit": (-1, 1.5, "1", True),
    }  # fmt: skip
    for _ in range(random.choice((1, 2, 4))):
        fields: dict[str, Any] = {"path": "/item/3"} if random.random() < 0.8 else {}
        if random.random() < 0.6:
            fields["id"] = scene.new_id()
        for name in random.sample(sorted(wrong), random.choice((1, 1, 2, 3))):
            fields[name] = random.choice(wrong[name])
        scene.say(**fields)


def no_objects(scene: Scene) -> None:
    """JSON that is not an object, blank lines, and unusual notations of JSON."""
    random = scene.random
    odd = (
        b"[]", b"1", b'"x"', b"null", b"true", b"[" * 60 + b"]" * 60, b"", b"  ", b"\r",
        b'{"path":"/item/3"}\r',
        b'{"path":"/item/1","path":"/item/2"}', b'{"id":"once","id":"twice","path":"/item/2"}', b"{}",
        b'{"path":"\\u002fitem\\u002f3"}',
        b'{"method":"g\\u0065t","path":"/item/5","data":{"a":' + b"[" * 40 + b"]" * 40 + b"}}", b"-0",
        b"1e5",
        b'{"path":"/search","data":{"word":"\xff"}}', b'{"\xff":1}',
        b'{"path":"/echo","method":"PUT","data":{"value":12345678901234567890123}}',
        b'{"path":"/echo","method":"PUT","data":{"value":1.0e+2, "value" : [ 1 , 2 ] }}',
    )  # fmt: skip
    for _ in range(random.choice((1, 2, 4))):
        scene.send(random.choice(odd))


def oneway(scene: Scene) -> None:
    """Requests without a reply, and their effect."""
    random, name = scene.random, f"{scene.gate}o"
    for _ in range(random.choice((1, 3))):
        scene.say(
            path=f"/tally/{name}",
            method="POST",
            oneway=True,
            **({"id": scene.new_id()} if random.random() < 0.5 else {}),
        )
    wrong: dict[str, Any] = random.choice(
        ({"path": "nothing"}, {"path": "/missing"}, {"meta": 1}, {"path": "/count", "data": {"to": 3}})
    )
    scene.say(oneway=True, **wrong)
    scene.until(scene.ask(f"/tally/{name}"))


def gate(scene: Scene) -> None:
    """A request that waits, and others meanwhile."""
    random = scene.random
    value = any_value(random)
    way = random.choice(("", "", "/shielded", "/stubborn", "/another", "/thread"))
    waits = scene.ask(f"/gate/{scene.gate}{way}", data={"value": value})
    twice = random.random() < 0.3
    if twice:  # its id is in use
        scene.say(id=waits, path="/item/1", **({"oneway": True} if random.random() < 0.3 else {}))
    if random.random() < 0.5:
        simple(scene)
    scene.open()
    scene.until(waits)
    if not twice and random.random() < 0.3:  # and now its id is free
        scene.say(id=waits, path="/item/2")
        scene.until(waits)


def bare_gate(scene: Scene) -> None:
    """A request without an id that waits, so that later ones wait for its reply."""
    random = scene.random
    scene.say(
        path=f"/gate/{scene.gate}",
        data={"value": any_text(random)},
        **({"oneway": True} if random.random() < 0.2 else {}),
    )
    for _ in range(random.choice((1, 3))):
        scene.ask_for(any_request(random))
    if random.random() < 0.4:
        scene.say(path=f"/gate/{scene.gate}b")
        scene.ask_for(any_request(random))
        scene.open(f"{scene.gate}b")
    scene.open()


def cancel(scene: Scene) -> None:
    """A request that waits, and is cancelled."""
    random = scene.random
    way = random.choice(("", "", "/shielded", "/stubborn", "/another", "/slow"))
    waits = scene.ask(f"/gate/{scene.gate}{way}", data={"value": 1})
    if random.random() < 0.3:
        simple(scene)
    more: dict[str, Any] = random.choice(({}, {}, {"path": "/item/1"}, {"credit": 3}, {"data": {"x": 1}}))
    scene.say(id=waits, cancel=True, **more)
    if way == "/shielded":
        scene.sync()
        scene.open()
    scene.until(waits)
    if way == "/slow":
        scene.open(f"{scene.gate}.clean")
    scene.until(scene.ask(f"/gate/{scene.gate}/ends"))
    if random.random() < 0.5:  # a cancel that crosses the reply, or has an unknown id
        scene.say(id=random.choice((waits, "never there", None)), cancel=True)


def deadline(scene: Scene) -> None:
    """Requests whose deadline is before the end of their actions."""
    random = scene.random
    way = random.choice(("", "/shielded", "/stubborn", "/another", "/slow", "/ends", "/thread"))
    if scene.prefix:  # two services have the same deadline, and either may cancel first
        way = ""
    seconds = random.choice((0.02, 0.05, 1e-9))
    waits = scene.ask(f"/gate/{scene.gate}{way}", timeout=seconds)
    if random.random() < 0.3:
        scene.say(path=f"/gate/{scene.gate}never", timeout=random.choice((0.01, 0, -3)))
    scene.until(waits)
    scene.open()
    if way == "/slow":
        scene.open(f"{scene.gate}.clean")


def key(scene: Scene) -> None:
    """Repeated requests with an idempotency key."""
    random = scene.random
    name = random.choice(
        (f"{scene.gate}k", f"{scene.gate}k", "", "k" * (255 - len(NAMESPACE)) + NAMESPACE, "k" * 256)
    )
    paths: Sequence[tuple[str, str, dict[str, Any]]] = (
        ("POST", f"/tally/{scene.gate}", {}), ("POST", "/fail/now", {"name": "Conflict", "detail": "x"}),
        ("GET", f"/tally/{scene.gate}", {}),
        ("POST", "/fail/later", {"name": "RuntimeError"}), ("POST", "/fail/now", {"name": "Unavailable"}),
        ("POST", "/order", {"name": "x"}),
        ("POST", "/created", {"name": "x"}), ("POST", "/count", {"to": 2}), ("POST", "/missing", {}), ("PUT",
        f"/tally/{scene.gate}", {}),
        ("POST", "/fail/thread", {"name": "unspeakable detail"}), ("POST", "/slow", {}),
    )  # fmt: skip
    method, path, data = random.choice(paths)
    for _ in range(random.choice((1, 2, 3))):
        scene.until(scene.ask(path, method, data=data, meta={"idempotency_key": name}))
    if random.random() < 0.5:
        other = random.choice(({"path": f"{path}?a=1"}, {"data": {**data, "z": 1}}, {"method": "PATCH"}))
        sent = {"path": path, "method": method, "data": data, "meta": {"idempotency_key": name}}
        scene.say(id=scene.new_id(), **{**sent, **other})
    scene.until(scene.ask(f"/tally/{scene.gate}"))


def key_meanwhile(scene: Scene) -> None:
    """A request with a key, repeated while it is pending."""
    random = scene.random
    meta = {"idempotency_key": f"{scene.gate}m"}
    path = f"/gate/{scene.gate}{random.choice(('', '/shielded'))}"
    first = scene.ask(path, "POST", data={"value": 1}, meta=meta)
    second = scene.ask(path, "POST", data={"value": 1}, meta=meta)
    if random.random() < 0.3:
        scene.until(scene.ask(path, "POST", data={"value": 2}, meta=meta))
    if random.random() < 0.4:
        scene.say(id=second, cancel=True)
        scene.until(second)
    elif random.random() < 0.4:
        scene.say(id=first, cancel=True)
    scene.sync()
    scene.open()
    scene.until(first)
    scene.until(second)
    scene.until(scene.ask(path, "POST", data={"value": 1}, meta=meta))


SIMPLE: Final[Sequence[tuple[Callable[[Scene], None], int]]] = (
    (simple, 10),
    (wrong_fields, 2),
    (no_objects, 2),
)
"""Scenes that wait for nothing, so that they may be refused."""
TRUSTED: Final[Sequence[tuple[Callable[[Scene], None], int]]] = (
    (simple, 8), (wrong_fields, 2), (no_objects, 2), (oneway, 1), (gate, 4), (bare_gate, 2), (cancel, 4),
    (deadline, 2),
    (stream, 4), (credit, 5), (feed, 4), (late_stream, 1), (key, 2), (key_meanwhile, 2),
)  # fmt: skip
"""And those that wait for replies."""
