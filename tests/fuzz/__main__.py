"""``python -m tests.fuzz``: fuzz everything that reads what others have written, for a time."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from typing import Any, Final

from tests.fuzz.target import Target, fuzz
from tests.fuzz.targets import TARGETS, WELL_FORMED, share_well_formed

_EXAMPLES: Final = 200  # with each seed; hypothesis makes the input of one seed more and more complex


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument(
        "--target", choices=sorted(TARGETS), action="append", help="this one; may be repeated"
    )
    return parser.parse_args()


def main() -> int:
    """Run the tool; returns its exit code: 1 after a crash."""
    options = _options()
    targets = [TARGETS[name] for name in options.target or TARGETS]
    seed = int(time.time()) if options.seed is None else options.seed
    outcomes: dict[str, Counter[str]] = {each.name: Counter() for each in targets}
    crashed: set[str] = set()
    end = time.monotonic() + 60 * options.minutes
    rounds = 0
    while time.monotonic() < end and len(crashed) < len(targets):
        for target in targets:
            if target.name not in crashed and not _round(target, seed, outcomes[target.name]):
                crashed.add(target.name)
        seed, rounds = seed + 1, rounds + 1
    for target in targets:
        _say(f"{target.name}: {rounds * _EXAMPLES} inputs: {_shares(outcomes[target.name])}")
    if "socket" in outcomes and not crashed:
        share = share_well_formed(outcomes["socket"])
        _say(f"socket: {share:.0%} of the replies are not 400 (at least {WELL_FORMED:.0%} are demanded)")
        if share < WELL_FORMED:
            return 1
    _say(f"{len(crashed)} crashes")
    return 1 if crashed else 0


def _round(target: Target[Any], seed: int, outcomes: Counter[str]) -> bool:
    """Feed a target with the inputs of one seed; False if it crashes."""
    try:
        outcomes.update(fuzz(target, seed, _EXAMPLES))
    except Exception:
        _say(f"CRASH of {target.name}, seed {seed}:\n{traceback.format_exc()}")
        return False
    return True


def _shares(outcomes: Counter[str]) -> str:
    total = outcomes.total() or 1
    return ", ".join(f"{name} {count / total:.1%}" for name, count in outcomes.most_common())


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # its output


if __name__ == "__main__":
    sys.exit(main())
