"""Requests on a socket that do not wait for others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.differential.generate.socket.drafts import Scene
from tests.differential.generate.values import any_request, any_value

__all__ = ["simple"]

_METAS: Final[Sequence[Any]] = (
    {}, {"request_id": "mine"}, {"own": "x", "request_id": ""},
    {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
    {"ä": "ö"},
)  # fmt: skip


def simple(scene: Scene) -> None:
    """Some requests that do not wait for others."""
    random = scene.random
    for _ in range(random.choice((1, 1, 2, 5))):
        fields: dict[str, Any] = {}
        if random.random() < 0.7:
            fields["id"] = scene.new_id()
        if random.random() < 0.15:
            fields["meta"] = random.choice(_METAS)
        if random.random() < 0.1:
            fields["timeout"] = random.choice((30, 5.5, 0, -1, 1e9, 10**12))
        if random.random() < 0.07:
            fields["oneway"] = random.choice((True, False))
        if random.random() < 0.05:
            fields[random.choice(("unknown", "Id", "credits"))] = any_value(random)
        if random.random() < 0.05:
            fields["credit"] = random.choice((0, 1, 5))
        scene.ask_for(any_request(random), **fields)
