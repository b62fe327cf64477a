"""What a person sees and does: selection, order, filter, and the orders that keys lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from unixsvc.cli.top.columns import COLUMNS, sort_value
from unixsvc.cli.top.rows import Row, ServiceRows

__all__ = ["LEVELS", "Mode", "Order", "View"]

Mode: TypeAlias = Literal["table", "filter", "level", "confirm", "help"]
LEVELS: Final = {"d": "debug", "i": "info", "w": "warn", "e": "error", "c": "default"}
"""The keys of the log levels; ``default`` is the configured one."""
_SORTS: Final = ("name", *(each.key for each in COLUMNS))
_ENOUGH: Final = 40  # characters of a filter


class Order(Struct, frozen=True):
    """Something to do.

    :ivar kind: ``quit``, ``logs``, or a command of the control API.
    :ivar service: empty for all.
    """

    kind: Literal["quit", "logs", "reload", "restart", "scale", "log-level"]
    service: str = ""
    workers: int = 0
    level: str = ""

    def __str__(self) -> str:
        if self.kind == "scale":
            return f"scale {self.service} to {self.workers} {'worker' if self.workers == 1 else 'workers'}"
        if self.kind == "log-level":
            what = "as configured" if self.level == "default" else f"{self.level} and above"
            return f"log {what}, in {self.service or 'all processes'}"
        return f"{self.kind} {self.service}"


class View:
    """The state of the screen.

    :param sort: the column to sort by.
    :param wanted: shows only services, workers and routes whose name contains this.
    :ivar paused: whether the rows stay as they are.
    :ivar order: what waits for a confirmation.
    :ivar level_of: the service whose log level is chosen; empty for all processes.
    """

    def __init__(self, sort: str = "name", wanted: str = "") -> None:
        self.sort = sort
        self.reverse = False
        self.wanted = wanted
        self.paused = False
        self.mode: Mode = "table"
        self.order: Order | None = None
        self.level_of = ""
        self.page = 1
        self._services: list[ServiceRows] = []
        self._opened: set[str] = set()
        self._selected = ("", "", "")
        self._index = 0
        self._follows_first = True  # until a key selects a row

    def update(self, services: list[ServiceRows]) -> None:
        """Take new rows; the selection stays on its row."""
        self._services = services

    @property
    def services(self) -> list[ServiceRows]:
        """All services."""
        return self._services

    def rows(self) -> list[Row]:
        """The rows that are shown: services, and below those that are opened their workers and routes."""
        found: list[Row] = []
        for each in sorted(self._services, key=lambda one: self._place(one.service), reverse=self.reverse):
            below = each.workers, each.routes
            if self.wanted and self.wanted.lower() not in each.service.name.lower():
                below = self._matching(each.workers), self._matching(each.routes)
                if not any(below):
                    continue
                opened = True
            else:
                opened = each.service.name in self._opened
            found.append(each.service)
            for rows in below if opened else ():
                found += sorted(rows, key=self._place, reverse=self.reverse)
        return found

    def is_open(self, service: str) -> bool:
        """Whether the workers and routes of a service are shown."""
        return service in self._opened

    def exits(self, service: str) -> dict[str, int]:
        """The workers of a service that have ended, by reason."""
        return next((each.exits for each in self._services if each.service.name == service), {})

    def selected(self) -> tuple[int, Row | None]:
        """The selected row and its place; the nearest one if it has gone."""
        rows = self.rows()
        keys = [each.key for each in rows]
        if self._follows_first and rows:
            return 0, rows[0]
        if self._selected in keys:
            self._index = keys.index(self._selected)
        elif rows:
            self._index = min(self._index, len(rows) - 1)
            self._selected = keys[self._index]
        else:
            return 0, None
        return self._index, rows[self._index]

    def press(self, key: str) -> Order | None:
        """Act upon a key; an order if there is something to do.

        :param key: a character, or a name as ``up``.
        """
        if self.mode == "confirm":
            return self._answer(key)
        if self.mode == "filter":
            self._edit_filter(key)
        elif self.mode == "level":
            self._choose_level(key)
        elif self.mode == "help":
            self.mode = "table"
        elif key in _KEYS:
            return _KEYS[key](self)
        return None

    def _place(self, row: Row) -> tuple[bool, float, str]:
        return sort_value(row, self.sort)

    def _matching(self, rows: list[Row]) -> list[Row]:
        return [each for each in rows if self.wanted.lower() in each.label.lower()]

    def _answer(self, key: str) -> Order | None:
        order, self.order, self.mode = self.order, None, "table"
        return order if key in ("y", "Y") else None

    def _edit_filter(self, key: str) -> None:
        if key in ("enter", "esc"):
            self.mode = "table"
            if key == "esc":
                self.wanted = ""
        elif key == "backspace":
            self.wanted = self.wanted[:-1]
        elif len(key) == 1 and key.isprintable():
            self.wanted = (self.wanted + key)[:_ENOUGH]

    def _ask_level(self) -> None:
        _, row = self.selected()
        self.mode, self.level_of = "level", "" if row is None else row.service

    def _choose_level(self, key: str) -> None:
        if key == "a":
            self.level_of = ""
            return
        self.mode = "table"
        if key in LEVELS:
            self._confirm(Order("log-level", self.level_of, level=LEVELS[key]))

    def _confirm(self, order: Order) -> None:
        self.order, self.mode = order, "confirm"

    def _move(self, steps: int) -> None:
        rows = self.rows()
        if rows:
            index = min(max(self.selected()[0] + steps, 0), len(rows) - 1)
            self._selected, self._follows_first = rows[index].key, False

    def _open(self, opened: bool | None = None) -> None:
        """Open or close the service of the selected row; change that if None."""
        _, row = self.selected()
        if row is None:
            return
        self._selected, self._follows_first = row.key, False
        if opened if opened is not None else row.service not in self._opened:
            self._opened.add(row.service)
        else:
            self._opened.discard(row.service)
            self._selected = row.service, "service", row.service

    def open_all(self) -> None:
        """Open all services; close them if they are all open."""
        names = {each.service.name for each in self._services}
        self._opened = set() if names <= self._opened else names

    def _sort_next(self, step: int) -> None:
        self.sort = _SORTS[(_SORTS.index(self.sort) + step) % len(_SORTS)]

    def _toggle(self, name: Literal["reverse", "paused"]) -> None:
        setattr(self, name, not getattr(self, name))

    def _set_mode(self, mode: Mode) -> None:
        self.mode = mode

    def _clear(self) -> None:
        self.wanted = ""

    def _ask_for(self, kind: Literal["reload", "restart"]) -> None:
        _, row = self.selected()
        if row is not None:
            self._confirm(Order(kind, row.service))

    def _scale(self, step: int) -> None:
        _, row = self.selected()
        if row is None:
            return
        workers = sum(len(each.workers) for each in self._services if each.service.name == row.service)
        count = workers + step
        if count >= 1:
            self._confirm(Order("scale", row.service, count))

    def _logs(self) -> Order | None:
        _, row = self.selected()
        return None if row is None else Order("logs", row.service)


_KEYS: Final[dict[str, Callable[[View], Order | None]]] = {
    "up": lambda view: view._move(-1),
    "k": lambda view: view._move(-1),
    "down": lambda view: view._move(1),
    "j": lambda view: view._move(1),
    "pageup": lambda view: view._move(-view.page),
    "pagedown": lambda view: view._move(view.page),
    "home": lambda view: view._move(-1_000_000),
    "end": lambda view: view._move(1_000_000),
    "enter": lambda view: view._open(),
    " ": lambda view: view._open(),
    "right": lambda view: view._open(True),
    "left": lambda view: view._open(False),
    "a": lambda view: view.open_all(),
    "<": lambda view: view._sort_next(-1),
    ">": lambda view: view._sort_next(1),
    "o": lambda view: view._toggle("reverse"),
    "p": lambda view: view._toggle("paused"),
    "/": lambda view: view._set_mode("filter"),
    "esc": lambda view: view._clear(),
    "?": lambda view: view._set_mode("help"),
    "h": lambda view: view._set_mode("help"),
    "L": lambda view: view._ask_level(),
    "r": lambda view: view._ask_for("reload"),
    "R": lambda view: view._ask_for("restart"),
    "+": lambda view: view._scale(1),
    "-": lambda view: view._scale(-1),
    "l": lambda view: view._logs(),
    "q": lambda view: Order("quit"),
}
