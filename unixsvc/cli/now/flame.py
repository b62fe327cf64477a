"""Flame graphs: stacks with weights as SVG, and in the formats of other programs. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from msgspec import Struct, field

__all__ = ["folded", "hottest", "speedscope", "svg"]

_WIDTH: Final = 1200
_HEIGHT: Final = 17  # of a row, in pixels
_TOP: Final = 34
_CHARACTER: Final = 6.6  # pixels
_NARROWEST: Final = 0.3  # pixels; what is narrower cannot be seen


class _Node(Struct):
    weight: float = 0.0
    children: dict[str, _Node] = field(default_factory=dict)


def folded(stacks: Mapping[str, float]) -> str:
    """One line for each stack, with microseconds: the input of flamegraph.pl and of many other programs."""
    return "".join(f"{stack} {round(weight * 1e6)}\n" for stack, weight in sorted(stacks.items()))


def speedscope(stacks: Mapping[str, float], name: str) -> dict[str, Any]:
    """The file format of https://www.speedscope.app (its JSON schema)."""
    frames: dict[str, int] = {}
    samples = [
        [frames.setdefault(each, len(frames)) for each in stack.split(";")] for stack in sorted(stacks)
    ]
    weights = [stacks[stack] for stack in sorted(stacks)]
    profile = {
        "type": "sampled",
        "name": name,
        "unit": "seconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": [{"name": each} for each in frames]},
        "profiles": [profile],
        "name": name,
    }


def hottest(stacks: Mapping[str, float], most: int = 20) -> list[tuple[str, float, float]]:
    """The functions that use most time themselves: their names, their own seconds, and those with callees."""
    own: dict[str, float] = {}
    total: dict[str, float] = {}
    for stack, weight in stacks.items():
        names = stack.split(";")
        own[names[-1]] = own.get(names[-1], 0.0) + weight
        for each in {*names}:  # a recursive function counts once
            total[each] = total.get(each, 0.0) + weight
    ordered = sorted(own, key=lambda name: (-own[name], name))
    return [(name, own[name], total[name]) for name in ordered[:most]]


def svg(stacks: Mapping[str, float], title: str) -> str:
    """An image without scripts; the name and the share of a function appear under the pointer."""
    root = _tree(stacks)
    bars = list(_bars(root, 0.0, 0, _WIDTH / root.weight, root.weight)) if root.weight else []
    height = _TOP + _HEIGHT * (1 + max((depth for depth, _ in bars), default=0)) + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="monospace" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="6" y="20" font-size="14">{escape(title)}</text>\n'
    )
    return head + "".join(text for _, text in bars) + "</svg>\n"


def _tree(stacks: Mapping[str, float]) -> _Node:
    root = _Node()
    for stack, weight in stacks.items():
        node = root
        node.weight += weight
        for name in stack.split(";"):
            node = node.children.setdefault(name, _Node())
            node.weight += weight
    return root


def _bars(node: _Node, left: float, depth: int, scale: float, whole: float) -> Iterator[tuple[int, str]]:
    for name, child in sorted(node.children.items()):
        width = child.weight * scale
        if width >= _NARROWEST:
            yield depth, _bar(name, left, depth, width, f"{child.weight:.3f} s, {child.weight / whole:.1%}")
            yield from _bars(child, left, depth + 1, scale, whole)
        left += width


def _bar(name: str, left: float, depth: int, width: float, share: str) -> str:
    shade = zlib.crc32(name.encode()) % 50
    top = _TOP + depth * _HEIGHT
    room = int((width - 6) / _CHARACTER)
    label = name if len(name) <= room else f"{name[: room - 1]}…" if room > 2 else ""
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(name)}: {share}</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.5, 0.3):.1f}" height="{_HEIGHT - 1}" '
        f'fill="hsl({20 + shade},85%,{65 + shade % 10}%)"/>{text}</g>\n'
    )
