"""Conversations over HTTP, generated from seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.differential.generate.http.endings import ABUSE, ENDINGS, late
from tests.differential.generate.http.requests import HttpScene
from tests.differential.generate.http.scenes import SCENES, simple
from tests.differential.steps import NAMESPACE, Conversation, Until

__all__ = ["abuse_conversations", "http_conversation"]


def http_conversation(seed: int) -> Conversation:
    """The conversation of a seed, which is always the same."""
    random = Random(seed)  # noqa: S311  # the same each time
    targets = ("required/http", "required/web", "private/http", "off/http")
    target = random.choices(targets, [60, 10, 20, 10])[0]
    endings = ((late, 1),) if target == "off/http" and random.random() < 0.2 else ENDINGS
    scenes = (
        SCENES
        if target.startswith("required")
        else [each for each in SCENES if each[0] is not simple] + [(simple, 20)]
    )
    played: list[HttpScene] = []
    chosen = [_chosen(random, scenes) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    last_one = _chosen(random, endings)
    for group, play in enumerate([*chosen, last_one], 1):
        played.append(HttpScene(random, group, f"{NAMESPACE}{group}", strict=target == "off/http"))
        play(played[-1])
    steps = tuple(step for each in played for step in each.steps)
    names = " ".join(dict.fromkeys(each.__name__ for each in [*chosen, last_one]))
    return Conversation(seed, target, steps, http=True, name=names)


def abuse_conversations(seed: int) -> list[Conversation]:
    """One conversation for each entry of the table of malformed requests."""
    random = Random(seed)  # noqa: S311  # the same each time
    found: list[Conversation] = []
    for number, each in enumerate(ABUSE):
        scene = HttpScene(random, 1, NAMESPACE)
        scene.send(each.sent, cut=False)
        steps = (*scene.steps, Until(1, closed=True))
        found.append(
            Conversation(seed + number, "required/http", steps, http=True, name=f"abuse: {each.why}")
        )
    return found


def _chosen(
    random: Random, scenes: Sequence[tuple[Callable[[HttpScene], None], int]]
) -> Callable[[HttpScene], None]:
    return random.choices([each for each, _ in scenes], [weight for _, weight in scenes])[0]
