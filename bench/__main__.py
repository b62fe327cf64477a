"""``python -m bench``: starts what is measured, measures in alternating rounds, says what came of it."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import footprint, instructions, parts, web
from bench.children import Broken, Children
from bench.machine import load_average, machine
from bench.parts import Part
from bench.plot import write_plot
from bench.report import Report, print_report, write_json
from bench.stage import Options, Row, Stage, alternate
from bench.systems import SYSTEMS
from bench.tables import write_rst

PARTS: Final = {
    each.name: each
    for each in (
        Part("connections", "1, 50 and 1,000 connections, one request at a time", parts.connections),
        Part("inflight", "50 connections with 16 requests at a time", parts.inflight),
        Part("reconnect", "a connection for each request", parts.reconnect),
        Part("payload", "100 B, 10 kB and 1 MB there and back", parts.payload),
        Part("routes", "10, 1,000 and 10,000 routes", parts.routes),
        Part("clients", "from Python, each system with its own client", parts.clients),
        Part("http", "HTTP over TCP, with wrk if it is there", web.http),
        Part("memory", "memory: idle, with 10,000 connections, after many requests", footprint.memory),
        Part("start", "the time until the first answer", footprint.start),
        Part("instructions", "what Python does for a request; with valgrind", instructions.instructions),
    )
}
_WIDTH: Final = 130  # of what is written into a file
_SMOKE: Final = ("connections", "routes")
_ALL: Final = tuple(
    name for name in PARTS if name != "instructions"
)  # it takes minutes, and little disturbs it


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("part", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--seconds", default=1.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=5, show_default=True, help="In which all are measured, in turn.")
@click.option("--requests", default=1_000_000, show_default=True, help="Before memory is measured again.")
@click.option("--json", "json_path", type=click.Path(writable=True), help="Write all of it to this file.")
@click.option("--plot", "plot_path", type=click.Path(writable=True), help="Draw it, as SVG.")
@click.option("--rst", "rst_path", type=click.Path(writable=True), help="Write tables for the documentation.")
@click.option("--from", "source", type=click.Path(exists=True), help="Read what --json wrote instead.")
@click.option("--smoke", is_flag=True, help="A few seconds, to see that all is there.")
@click.option("--list", "only_list", is_flag=True, help="List the parts and the systems.")
def main(
    part: tuple[str, ...],
    seconds: float,
    rounds: int,
    requests: int,
    json_path: str | None,
    plot_path: str | None,
    rst_path: str | None,
    source: str | None,
    smoke: bool,
    only_list: bool,
) -> None:
    """Measure PARTs, all but the last by default, beside what else there is for the same."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if only_list:
        _list(console)
        return
    if source:
        with open(source, "rb") as file:
            report = msgspec.json.decode(file.read(), type=Report)
    else:
        options = Options(0.25 if smoke else seconds, 3 if smoke else rounds, requests, smoke)
        report = _measure(part or (_SMOKE if smoke else _ALL), options)
    writers: tuple[tuple[str | None, Callable[[Report, str], None]], ...] = (
        (json_path, write_json), (plot_path, write_plot), (rst_path, write_rst),
    )  # fmt: skip
    for path, write in writers:
        if path:
            write(report, path)
    print_report(report, console)


def _list(console: Console) -> None:
    for each in PARTS.values():
        console.print(f"{each.name:12} {each.title}", highlight=False)
    console.print()
    for system in SYSTEMS:
        needs = f"; needs {', '.join(each.rstrip('!') for each in system.needs)}" if system.needs else ""
        console.print(f"{system.name:12} {system.title}{needs}", highlight=False)


def _measure(names: tuple[str, ...], options: Options) -> Report:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that children end, too
    here, before = machine(), load_average()
    rows: list[Row] = []
    try:
        with _telling() as tell, tempfile.TemporaryDirectory() as folder, Children(folder) as children:
            stage = Stage(children, options, tell)
            for name in names:
                for group in PARTS[name].groups(stage):
                    rows += alternate(name, group, options, tell)
            skipped = stage.skipped
    except Broken as broken:
        sys.exit(f"bench: {broken}")
    except KeyboardInterrupt:
        sys.exit(130)
    return Report(msgspec.structs.replace(here, load=(before, load_average())), options, rows, skipped)


@contextlib.contextmanager
def _telling() -> Iterator[Callable[[str], Any]]:
    """What says what is done: on a terminal in one line, which nothing moves while something is measured."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("")

        def tell(what: str) -> None:
            if what.startswith("without "):
                console.print(what, highlight=False)
            progress.update(task, description=what)
            progress.refresh()

        yield tell


if __name__ == "__main__":
    main()
