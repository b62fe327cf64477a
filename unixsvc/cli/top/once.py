"""``unixsvc top`` without a screen: one table, or JSON."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from unixsvc.cli.output import print_json, print_table
from unixsvc.cli.session import Session
from unixsvc.cli.top.columns import COLUMNS
from unixsvc.cli.top.rows import Row, between
from unixsvc.cli.top.samples import take_sample
from unixsvc.cli.top.view import View
from unixsvc.domain.json import JsonObject

__all__ = ["print_once"]


# A table has 80 characters on a terminal that has no screen; --json has all figures.
_WIDE: Final = ("received", "sent")


def print_once(session: Session, view: View, interval: float, *, as_json: bool) -> None:
    """Take two samples, and print what happened between them.

    :param view: has the order, and a filter.
    :param interval: between the samples, in seconds.
    :raises ServiceError: if the orchestrator cannot be reached.
    :raises ConfigError: if the configuration is wrong.
    """
    before = take_sample(session)
    time.sleep(interval)
    view.update(between(before, take_sample(session)))
    view.open_all()
    if as_json:
        print_json(msgspec.json.encode(_as_json(view)), terminal=session.terminal)
        return
    columns = [each for each in COLUMNS if each.key not in _WIDE]
    rows = [[_name(each), *(column.text(each.figures) for column in columns)] for each in view.rows()]
    print_table(["SERVICE", *(each.title for each in columns)], rows, terminal=session.terminal)


def _name(row: Row) -> str:
    return row.label if row.kind == "service" else f"  {row.label}"


def _as_json(view: View) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    exits = {each.service.name: each.exits for each in view.services}
    for row in view.rows():
        figures: JsonObject = msgspec.to_builtins(row.figures)
        if row.kind == "service":
            lists: JsonObject = {"exits": exits[row.name], "workers": [], "routes": {}}
            found[row.name] = {"status": row.state, **figures, **lists}
        elif row.kind == "worker":
            worker = {"slot": row.slot, "pid": row.pid, "status": row.state, **figures}
            found[row.service]["workers"].append(worker)
        else:
            found[row.service]["routes"][row.name] = figures
    return found
