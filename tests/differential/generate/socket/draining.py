"""Scenes in which the worker is replaced while the client is connected to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.differential.generate.socket.drafts import TOKEN, Id, Scene

__all__ = ["CONTROL", "DRAINING"]

CONTROL: Final = 9
"""The connection that leads to the orchestrator."""
_GOAWAY: Final = b'{"goaway":true}\n'


def _replace(scene: Scene, how: str = "") -> Id:
    """Replace the worker; the reply is sent when that is complete."""
    path = how or scene.random.choice(("/restart", "/reload"))
    return scene.ask(path, "POST", CONTROL, auth_token=TOKEN, data={"service": "spare"})


def _idle(scene: Scene) -> None:
    """An idle client, which closes after goaway."""
    scene.until(scene.ask("/item/1"))
    replaced = _replace(scene)
    scene.text(_GOAWAY)
    scene.shut()
    scene.closed()
    scene.until(replaced, on=CONTROL)


def _waiting(scene: Scene) -> None:
    """A client with pending requests, which sends more."""
    waits = scene.ask(f"/gate/{scene.gate}")
    stream = scene.ask("/count", data={"to": 5}, credit=2)
    scene.until(stream, items=2)
    replaced = _replace(scene)
    scene.text(_GOAWAY)
    scene.say(id=stream, credit=9)
    scene.until(stream)
    scene.until(scene.ask("/item/2"))
    scene.say(path="/item/3")
    scene.open()
    scene.until(waits)
    scene.shut()
    scene.closed()
    scene.until(replaced, on=CONTROL)


def _bare(scene: Scene) -> None:
    """A client without ids, which gets no goaway, and another one that opens its gate."""
    scene.say(path=f"/gate/{scene.gate}")
    scene.until(scene.ask(f"/gate/{scene.gate}/started", "", 1, auth_token=TOKEN), on=1)
    replaced = _replace(scene)
    scene.text(_GOAWAY, on=1)
    scene.until(scene.ask(f"/gate/{scene.gate}/open", "POST", 1, auth_token=TOKEN), on=1)
    scene.closed()
    scene.shut(1)
    scene.until(replaced, on=CONTROL)


def _stays(scene: Scene) -> None:
    """A client that does not close after goaway, idle or with a request that is never answered."""
    scene.until(scene.ask("/item/1"))
    waits = scene.ask(f"/gate/{scene.gate}") if scene.random.random() < 0.5 else None
    replaced = _replace(scene, "/restart")
    scene.text(_GOAWAY)
    if waits is not None:
        scene.until(waits)
    scene.closed()
    scene.until(replaced, on=CONTROL)


DRAINING: Final[Sequence[tuple[Callable[[Scene], None], int]]] = (
    (_idle, 1), (_waiting, 2), (_bare, 1), (_stays, 1),
)  # fmt: skip
