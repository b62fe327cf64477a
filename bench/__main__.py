"""The command ``python -m bench``: starts the systems, measures them in alternating rounds, reports."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Final

import click
import msgspec
from rich.console import Console

from bench.compare.command import compare_command
from bench.parts import call_cost, footprint, http_load, instructions, socket_load, workers
from bench.parts.http_systems import HTTP_SYSTEMS
from bench.processes import BenchError, ProcessGroup
from bench.progress import progress_line
from bench.reports.machine import load_average, machine
from bench.reports.report import Report, print_report, write_json
from bench.reports.rst_tables import write_rst
from bench.reports.svg_plot import write_plot
from bench.rounds import Options, Row, measure_group
from bench.session import Part, Session
from bench.soak.command import soak_command
from bench.systems import SYSTEMS

PARTS: Final = {
    each.name: each
    for each in (
        Part("connections", "1, 50 and 1,000 connections, one request at a time", socket_load.connections),
        Part("inflight", "50 connections with 16 requests in flight on each", socket_load.in_flight),
        Part("reconnect", "a connection for each request", socket_load.reconnect),
        Part("workers", "a connection for each request, 1, 2 and 4 workers", workers.workers),
        Part("payload", "100 B, 10 kB and 1 MB there and back", socket_load.payload),
        Part("routes", "10, 1,000 and 10,000 routes", socket_load.routes),
        Part("clients", "Python clients, each system with its own", socket_load.clients),
        Part("call", "the blocking client, one call at a time, against a bare socket", call_cost.call),
        Part("http", "GET and POST over HTTP and TCP, with wrk if it is installed", http_load.http),
        Part("memory", "memory: idle, with 10,000 connections, after many requests", footprint.memory),
        Part("start", "time until the first answer", footprint.start),
        Part(
            "instructions", "instructions of Python for a request; needs valgrind", instructions.instructions
        ),
    )
}
_WIDTH: Final = 130  # columns, where the output is no terminal
_SMOKE: Final = ("connections", "routes")
_DEFAULT: Final = tuple(name for name in PARTS if name != "instructions")  # which takes minutes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("part", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--seconds", default=1.0, show_default=True, help="Length of each measurement.")
@click.option(
    "--rounds", default=5, show_default=True, help="Rounds, in each of which everything is measured."
)
@click.option(
    "--requests", default=1_000_000, show_default=True, help="Requests between two measurements of memory."
)
@click.option("--json", "json_path", type=click.Path(writable=True), help="Write the result to this file.")
@click.option("--plot", "plot_path", type=click.Path(writable=True), help="Draw the result as SVG.")
@click.option("--rst", "rst_path", type=click.Path(writable=True), help="Write tables for the documentation.")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True),
    help="Read a result written by --json instead of measuring.",
)
@click.option("--smoke", is_flag=True, help="A run of a few seconds that shows that everything works.")
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
    """Measure PARTs of the benchmark, all but the last by default, for unixsvc and comparable systems.

    ``python -m bench compare`` compares two revisions of unixsvc; ``python -m bench soak`` finds out whether
    memory grows. See their --help.
    """
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
        report = _measure(part or (_SMOKE if smoke else _DEFAULT), options)
    writers: tuple[tuple[str | None, Callable[[Report, str], None]], ...] = (
        (json_path, write_json), (plot_path, write_plot), (rst_path, write_rst),
    )  # fmt: skip
    for path, write in writers:
        if path:
            write(report, path)
    print_report(report, console)


def _list(console: Console) -> None:
    for each in PARTS.values():
        console.print(f"{each.name:19} {each.title}", highlight=False)
    for systems in (SYSTEMS, HTTP_SYSTEMS):
        console.print()
        for system in systems:
            names = ", ".join(each.rstrip("!") for each in system.requirements)
            needs = f"; needs {names}" if names else ""
            console.print(f"{system.name:19} {system.title}{needs}", highlight=False, soft_wrap=True)


def _measure(names: tuple[str, ...], options: Options) -> Report:
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # child processes end, too
    here, before = machine(), load_average()
    rows: list[Row] = []
    try:
        with (
            progress_line() as report_progress,
            tempfile.TemporaryDirectory() as folder,
            ProcessGroup(folder) as processes,
        ):
            session = Session(processes, options, report_progress)
            for name in names:
                for group in PARTS[name].groups(session):
                    rows += measure_group(name, group, options, report_progress)
            skipped = session.skipped
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    return Report(msgspec.structs.replace(here, load=(before, load_average())), options, rows, skipped)


def run() -> None:
    """Run the command that the first argument names."""
    if sys.argv[1:2] == ["compare"]:
        compare_command(sys.argv[2:], prog_name="python -m bench compare")
    elif sys.argv[1:2] == ["soak"]:
        soak_command(sys.argv[2:], prog_name="python -m bench soak")
    else:
        main(prog_name="python -m bench")


if __name__ == "__main__":
    run()
