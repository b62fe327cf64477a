"""Draws the packages of unixsvc in their layers, from the imports as they are: ``python docs/layers.py``.

Rows are the layers of the import-linter contract in ``pyproject.toml``; a line leads from a package down to
one that it imports. An import between packages that are also connected through others is left out (transitive
reduction), as the picture would otherwise be full of lines.
``--check`` writes nothing, and fails if the picture is out of date.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from random import Random
from typing import Final

import grimp

_ROOT: Final = Path(__file__).parent.parent
_PICTURE: Final = _ROOT / "docs" / "images" / "layers.svg"
_PACKAGE: Final = "unixsvc"

# Sizes, in pixels.
_COLUMN: Final = 165
_BOX_WIDTH: Final = 144
_BOX_HEIGHT: Final = 38
_ROW: Final = 82
_MARGIN: Final = 30

_COLUMNS: Final = 7
# A line that passes a box's middle within so many columns passes behind the box.
_CLEARANCE: Final = 0.6
# The hill climb starts from so many random arrangements.
_STARTS: Final = 20


def layers() -> list[list[str]]:
    """The packages of each layer, the highest first, as import-linter enforces them."""
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    for contract in settings["tool"]["importlinter"]["contracts"]:
        rows: list[str] = contract.get("layers", [])
        if contract["type"] == "layers" and any(row.startswith(f"{_PACKAGE}.") for row in rows):
            return [[name.strip() for name in row.replace(":", "|").split("|")] for row in rows]
    raise SystemExit("pyproject.toml: no import-linter contract of the type layers names unixsvc's packages")


def imports(names: list[str]) -> dict[str, set[str]]:
    """The packages that each package imports from, without what follows from other imports."""
    graph = grimp.build_graph(_PACKAGE, cache_dir=None)
    direct: dict[str, set[str]] = {}
    for name in names:
        inside = {name, *graph.find_descendants(name)}
        targets = {target for module in inside for target in graph.find_modules_directly_imported_by(module)}
        direct[name] = {
            other
            for other in names
            if other != name and any(target == other or target.startswith(f"{other}.") for target in targets)
        }
    return {name: _reduced(name, direct) for name in names}


def _reduced(name: str, direct: dict[str, set[str]]) -> set[str]:
    """The direct imports of a package that no longer path leads to."""
    return {
        target
        for target in direct[name]
        if not any(_reaches(via, target, direct, {name}) for via in direct[name] if via != target)
    }


def _reaches(start: str, end: str, direct: dict[str, set[str]], seen: set[str]) -> bool:
    if start in seen:
        return False
    seen.add(start)
    return end in direct[start] or any(_reaches(each, end, direct, seen) for each in direct[start])


def arrange(rows: list[list[str]], arrows: dict[str, set[str]]) -> dict[str, tuple[int, int]]:
    """The column and row of each package, chosen so that few lines pass behind a box.

    A hill climb from several random arrangements, whose seeds are fixed: the picture is the same each time.
    """
    best: dict[str, tuple[int, int]] = {}
    for seed in range(_STARTS):
        random = Random(seed)  # noqa: S311 - nothing here is secret
        columns = {
            name: at
            for row in rows
            for name, at in zip(row, random.sample(range(_COLUMNS), len(row)), strict=True)
        }
        at = {name: (columns[name], number) for number, row in enumerate(rows) for name in row}
        while (better := _step(at, arrows)) is not None:
            at = better
        if not best or _cost(at, arrows) < _cost(best, arrows):
            best = at
    return best


def _step(at: dict[str, tuple[int, int]], arrows: dict[str, set[str]]) -> dict[str, tuple[int, int]] | None:
    """The best arrangement that differs by one move or one exchange within a row; None if none is better."""
    best, least = None, _cost(at, arrows)
    for name, (column, row) in at.items():
        for other in range(_COLUMNS):
            moved = {each: (column, row) if place == (other, row) else place for each, place in at.items()}
            moved[name] = (other, row)
            if (cost := _cost(moved, arrows)) < least:
                best, least = moved, cost
    return best


def _cost(at: dict[str, tuple[int, int]], arrows: dict[str, set[str]]) -> int:
    cost = 0  # an integer: the sum of floats would depend on the order of the sets
    for name, others in arrows.items():
        x1, y1 = at[name]
        for other in others:
            x2, y2 = at[other]
            cost += abs(x1 - x2) * 3
            for x, y in at.values():
                if y1 < y < y2 and abs(x1 + (x2 - x1) * (y - y1) / (y2 - y1) - x) < _CLEARANCE:
                    cost += 100
    return cost


def draw(rows: list[list[str]], arrows: dict[str, set[str]]) -> str:
    """The picture, as SVG."""
    places = {
        name: ((column + 0.5) * _COLUMN, _MARGIN + row * _ROW + _BOX_HEIGHT / 2)
        for name, (column, row) in arrange(rows, arrows).items()
    }
    width, height = _COLUMNS * _COLUMN, _MARGIN * 2 + (len(rows) - 1) * _ROW + _BOX_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    lines += [_line(places[name], places[other]) for name in places for other in sorted(arrows[name])]
    lines += [_box(name, *places[name]) for name in places]
    return "\n".join([*lines, "</svg>", ""])


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    half = _BOX_HEIGHT / 2
    (x1, y1), (x2, y2) = start, end
    if y1 == y2:  # packages of one layer that import each other's siblings: an arc below
        middle = (x1 + x2) / 2
        path = f"M {x1:.0f} {y1 + half:.0f} Q {middle:.0f} {y1 + half + 24:.0f} {x2:.0f} {y2 + half:.0f}"
    else:
        path = f"M {x1:.0f} {y1 + half:.0f} L {x2:.0f} {y2 - half:.0f}"
    return f'<path d="{path}" fill="none" stroke="#8aa0b8" stroke-width="1.5"/>'


def _box(name: str, x: float, y: float) -> str:
    left, top = x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2
    text = name.removeprefix(f"{_PACKAGE}.")
    size = f'width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5"'
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" {size} fill="#eef3f8" stroke="#4a6078"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" font-size="15">{text}</text>'
    )


def main() -> None:
    """Write the picture, or check it."""
    parser = argparse.ArgumentParser(description="Draw the packages of unixsvc in their layers.")
    parser.add_argument("--check", action="store_true", help="fail if it is out of date; write nothing")
    check = parser.parse_args().check
    rows = layers()
    picture = draw(rows, imports([name for row in rows for name in row]))
    if not check:
        _PICTURE.write_text(picture)
    elif not _PICTURE.is_file() or _PICTURE.read_text() != picture:
        sys.exit(f"{_PICTURE.relative_to(_ROOT)}: out of date; run python docs/layers.py")


if __name__ == "__main__":
    main()
