"""``unixsvc top``: services, workers and routes, and how they work at present."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from unixsvc.cli.session import Session, location_options

__all__ = ["top"]

# The columns of unixsvc.cli.top.columns, which is imported late; a test compares them.
_SORTS: Final = (
    "name",
    "requests",
    "rate",
    "errors",
    "p50",
    "p99",
    "inflight",
    "connections",
    "received",
    "sent",
    "memory",
    "cpu",
    "restarts",
    "lag",
    "uptime",
)


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 60.0),
    default=1.0,
    metavar="SECONDS",
    help="The time between two samples [default: 1].",
)
@click.option("--sort", type=click.Choice(_SORTS), default="name", help="The column to sort by.")
@click.option("--filter", "wanted", default="", metavar="TEXT", help="Show only names that contain TEXT.")
@click.option("--once", is_flag=True, help="Print one table with all workers and routes, and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print one sample as JSON, and exit.")
@location_options
@click.pass_obj
def top(session: Session, interval: float, sort: str, wanted: str, once: bool, as_json: bool) -> None:
    """Show what services, workers and routes do at present.

    On a terminal, the screen is refreshed until q is pressed; ? explains keys and columns. Elsewhere, one
    table is printed.
    """
    # Late, as are those below: other commands do not need them.
    from unixsvc.cli.top.once import print_once
    from unixsvc.cli.top.view import View

    view = View(sort, wanted)
    if once or as_json or not _is_interactive(session):
        print_once(session, view, interval, as_json=as_json)
        return
    from unixsvc.cli.top.session import TopSession

    TopSession(session, view, interval, lambda service: _follow_log(session, service)).run()


def _is_interactive(session: Session) -> bool:
    has_keys = sys.stdin is not None and sys.stdin.isatty()
    return has_keys and session.terminal and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def _follow_log(session: Session, service: str) -> list[str]:
    location = [argument for file in session.config or () for argument in ("--config", file)]
    if session.socket_dir is not None:
        location += ["--socket-dir", session.socket_dir]
    return [sys.executable, "-m", "unixsvc", *location, "logs", "-f", service]
