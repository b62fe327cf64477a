"""The command ``python -m bench soak``."""

from __future__ import annotations

import signal
import sys
import tempfile

import click
from rich.console import Console
from rich.table import Table

from bench.processes import BenchError, ProcessGroup
from bench.progress import progress_line
from bench.reports.machine import load_average, machine
from bench.soak.fit import Fit, fit
from bench.soak.run import Outcome, Plan, soak
from bench.soak.samples import QUANTITIES, Quantity, Samples

__all__ = ["soak_command"]

_WIDTH = 130  # columns, where the output is no terminal
_NOT_FLAT, _FAILED = 1, 2  # exit codes
# A process that lives shorter still fills its caches: its line is steeper, and less certain.
_SHORT_LIFE = 5.0  # minutes

_SMOKE = Plan(duration=20, warm_up=5, sample_every=0.5, reload_every=12, kill_every=8)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", default=15.0, show_default=True, help="How long it runs.")
@click.option("--smoke", is_flag=True, help="A run of 20 seconds that shows that everything works.")
@click.option("--leak", default=0, metavar="BYTES", help="Leak that much with each request, to see it found.")
def soak_command(minutes: float, smoke: bool, leak: int) -> None:
    """Find out whether memory, descriptors and threads stay flat.

    An orchestrator with a service, a mounted service and an HTTP gateway gets a mixed load: kept and short
    connections, streams, uploads, wrong tokens, unknown paths. Workers are reloaded each minute, and one is
    killed each two minutes.

    Exits with 1 if something grows, or may grow as far as the measurements show.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # child processes end, too
    plan = Plan(
        duration=minutes * 60,
        warm_up=min(180.0, minutes * 20),
        sample_every=3.0,
        reload_every=60.0,
        kill_every=120.0,
        leak=leak,
    )
    if smoke:
        plan = Plan(
            _SMOKE.duration, _SMOKE.warm_up, _SMOKE.sample_every, _SMOKE.reload_every, _SMOKE.kill_every, leak
        )
    before = load_average()
    try:
        with (
            progress_line() as report_progress,
            tempfile.TemporaryDirectory() as folder,
            ProcessGroup(folder) as processes,
        ):
            outcome = soak(plan, processes, report_progress)
    except BenchError as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    flat = _print(outcome, console)
    here = machine()
    console.print(
        f"{here.cpu}, {here.cores} cores; load before {before}, after {load_average()}", highlight=False
    )
    sys.exit(0 if flat else _NOT_FLAT)


def limit_of(quantity: Quantity, minutes: float) -> float:
    """The slope that counts as flat for a process that has lived that long."""
    return quantity.limit if minutes >= _SHORT_LIFE else quantity.short_limit


def _print(outcome: Outcome, console: Console) -> bool:
    """Print the result.

    :returns: whether everything is flat.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    for header in (
        "process",
        "lives",
        "RSS MB",
        "PSS MB",
        "of its own MB",
        "",
        "a minute",
        "limit",
        "verdict",
    ):
        table.add_column(header)
    verdicts = [
        _add_row(table, outcome.samples, role, quantity, first=quantity is QUANTITIES[0])
        for role in outcome.samples.roles
        for quantity in QUANTITIES
    ]
    console.print(table)
    for name, done in sorted(outcome.done.items()):
        console.print(
            f"{name:20} {done:>9,} answered, {outcome.failed.get(name, 0):,} failed", highlight=False
        )
    console.print(f"{outcome.reloads} reloads, {outcome.kills} killed workers", highlight=False)
    return all(each == "flat" for each in verdicts)


def _add_row(table: Table, samples: Samples, role: str, quantity: Quantity, *, first: bool) -> str:
    lives = samples.lives(role, quantity.name)
    found, last = fit(lives), samples.last(role)
    limit = limit_of(quantity, samples.longest(role))
    verdict = found.verdict(limit)
    sizes = (str(len(lives)), *(f"{each / 1000:.1f}" for each in (last.rss, last.pss, last.own)))
    head = (role, *sizes) if first else ("",) * 5
    table.add_row(*head, quantity.title, _describe(found), f"{limit:g}", verdict)
    return verdict


def _describe(found: Fit) -> str:
    return f"{found.slope:+.2f} ± {found.error:.2f} ({found.measurements} samples)"
