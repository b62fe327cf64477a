"""Conversations on a socket, generated from seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

from tests.differential.generate.socket.drafts import TOKEN, WRONG_TOKEN, Draft, Scene, ids, rendered, woven
from tests.differential.generate.socket.draining import CONTROL, DRAINING
from tests.differential.generate.socket.endings import ENDINGS, HASTY, OLD, SIMPLE_ENDINGS, TIGHT
from tests.differential.generate.socket.front import FRONT
from tests.differential.generate.socket.scenes import SIMPLE, TRUSTED
from tests.differential.steps import AnyStep, Conversation, Until

__all__ = ["socket_conversation"]

Scenes = Sequence[tuple[Callable[[Scene], None], int]]


def socket_conversation(seed: int) -> Conversation:
    """The conversation of a seed, which is always the same."""
    random = Random(seed)  # noqa: S311  # the same each time
    make, target = random.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])[0]
    return make(random, seed, target)


def _chosen(random: Random, scenes: Scenes) -> Callable[[Scene], None]:
    return random.choices([each for each, _ in scenes], [weight for _, weight in scenes])[0]


def _conversation(
    random: Random,
    seed: int,
    target: str,
    scenes: Scenes,
    endings: Scenes,
    token: Callable[[int], str | None],
    *,
    most: int = 6,
    prefix: str = "",
    first: Sequence[Draft] = (),
    alone: bool = False,
) -> Conversation:
    new_id = ids(random)
    held: list[Scene] = []
    chosen = [_chosen(random, scenes) for _ in range(random.randint(1, most))] if most else []
    for group, play in enumerate([*chosen, _chosen(random, endings)], 1):
        held.append(Scene(random, group, new_id, prefix if group <= len(chosen) else ""))
        play(held[-1])
        chosen_name = play.__name__.strip("_")
    drafts = [*first, *woven(random, [each.steps for each in held[:-1]]), *held[-1].steps]
    names = " ".join(dict.fromkeys([*(each.__name__ for each in chosen), chosen_name]))
    return Conversation(seed, target, rendered(random, drafts, token), alone=alone, name=names)


def _always(on: int) -> str | None:
    return TOKEN


def _never(on: int) -> str | None:
    return None


def _greeting(on: int = 0) -> list[Draft]:
    """A message with the token, after which others need none."""
    return [Draft(0, on, {"id": "hello", "auth_token": TOKEN, "path": "/-/ping"})]


def _trusted(random: Random, seed: int, target: str) -> Conversation:
    """The right token, with each message or the first."""
    if random.random() < 0.4:
        return _conversation(random, seed, target, TRUSTED, ENDINGS, _always)
    return _conversation(random, seed, target, TRUSTED, ENDINGS, _never, first=_greeting())


def _untrusted(random: Random, seed: int, target: str) -> Conversation:
    """No token, a wrong one, or sometimes the right one."""
    choice: Sequence[str | None] = random.choice(
        (
            (None,),
            (None, WRONG_TOKEN),
            (None, TOKEN),
            (None, None, TOKEN, WRONG_TOKEN, "", "ü", TOKEN.upper()),
        )
    )
    return _conversation(random, seed, target, SIMPLE, SIMPLE_ENDINGS, lambda on: random.choice(choice))


def _old(random: Random, seed: int, target: str) -> Conversation:
    return _conversation(random, seed, target, SIMPLE, OLD, _never, most=0)


def _front(random: Random, seed: int, target: str) -> Conversation:
    endings = [each for each in ENDINGS if each[0].__name__ in ("nothing", "not_json", "unended")]
    return _conversation(random, seed, target, FRONT, endings, _always, prefix="/m")


def _hasty(random: Random, seed: int, target: str) -> Conversation:
    return _conversation(random, seed, target, SIMPLE, HASTY, _always, most=0)


def _tight(random: Random, seed: int, target: str) -> Conversation:
    return _conversation(random, seed, target, SIMPLE, TIGHT, _always, most=0, alone=True)


def _draining(random: Random, seed: int, target: str) -> Conversation:
    found = _conversation(random, seed, target, SIMPLE, DRAINING, _always, most=0, alone=True)
    return msgspec.structs.replace(found, elsewhere={CONTROL: "required/orchestrator"})


def _shut(random: Random, seed: int, target: str) -> Conversation:
    found = _conversation(random, seed, target, SIMPLE, OLD[:1], _always, most=random.randrange(2))
    kept: tuple[AnyStep, ...] = (*found.steps[: random.randint(1, 4)], Until(0, closed=True))
    return Conversation(seed, target, kept, name="refused")


def _control(random: Random, seed: int, target: str) -> Conversation:
    """The control API, without operations that change anything."""
    new_id = ids(random)
    scene = Scene(random, 1, new_id)
    for _ in range(random.choice((1, 3))):
        path, method, data = random.choice((
            ("/services", "", {}), ("/-/routes", "", {}), ("/-/health", "", {}), ("/reload", "GET", {}),
            ("/scale", "POST", {}),
            ("/scale", "POST", {"service": "absent", "workers": 2}), ("/scale", "POST", {"service": "main",
            "workers": 0}),
            ("/log/level", "PUT", {"level": "loud"}), ("/stop", "POST", {"service": "absent"}), ("/start",
            "POST", {"service": 1}),
            ("/restart", "POST", {"service": "absent"}), ("/reload", "POST", {"service": "absent"}),
            ("/missing", "", {}),
            ("/start", "POST", {"service": "main"}),
        ))  # fmt: skip
        scene.until(scene.ask(path, method, data=data))
    return Conversation(seed, target, rendered(random, scene.steps, _always), name="control")


_KINDS: Final[Sequence[tuple[tuple[Callable[[Random, int, str], Conversation], str], float]]] = (
    ((_trusted, "required/main"), 40), ((_trusted, "private/main"), 8), ((_trusted, "off/main"), 6),
    ((_untrusted, "required/main"), 8), ((_untrusted, "private/main"), 5), ((_untrusted, "off/main"), 1),
    ((_old, "required/main"), 9), ((_old, "private/main"), 3), ((_front, "required/front"), 10),
    ((_hasty, "required/hasty"), 2), ((_tight, "required/tight"), 1), ((_shut, "shut/main"), 1),
    ((_control, "required/orchestrator"), 1), ((_draining, "required/spare"), 0.5),
)  # fmt: skip
