"""The command ``python -m bench compare``."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct
from rich.console import Console

from bench.compare.base import NoBaseError, default_base
from bench.compare.instructions import compare_instructions
from bench.compare.loads import compare_loads
from bench.compare.result import Comparison, ComparisonReport, describe_excess, exceeding
from bench.compare.sides import SideInstallation, different_libraries, prepare_side
from bench.compare.table import print_comparison
from bench.environments import make_import_folder
from bench.processes import BenchError, ProcessGroup
from bench.progress import progress_line
from bench.reports.machine import load_average, machine
from bench.revisions import WORKING_TREE, RevisionError, prepare
from bench.rounds import Options

__all__ = ["compare_command"]

_WIDTH: Final = 130  # columns, where the output is no terminal
_EXCEEDED, _FAILED = 1, 2  # exit codes


class _Request(Struct, frozen=True):
    """What is to be compared.

    :ivar short: whether only instructions are compared.
    :ivar patterns: parts of the names of loads; others are left out.
    :ivar limit: in percent.
    """

    base: str
    head: str
    short: bool
    patterns: tuple[str, ...]
    limit: float
    options: Options
    cache: Path | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("base", required=False)
@click.argument("head", default=WORKING_TREE)
@click.option("--short", is_flag=True, help="Compare instructions only, in about three minutes.")
@click.option(
    "--limit",
    default=3.0,
    show_default=True,
    help="Percent of instructions that HEAD may need more than BASE.",
)
@click.option("--load", "patterns", multiple=True, help="Compare only loads with this text in their name.")
@click.option("--seconds", default=1.0, show_default=True, help="Length of each measurement.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Rounds in which both revisions are measured.",
)
@click.option("--json", "json_path", type=click.Path(writable=True), help="Write the result to this file.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the installed revisions.")
def compare_command(
    base: str | None,
    head: str,
    short: bool,
    patterns: tuple[str, ...],
    limit: float,
    seconds: float,
    rounds: int,
    json_path: str | None,
    cache: Path | None,
) -> None:
    """Compare two git revisions of unixsvc under the same loads.

    BASE and HEAD are names that git knows, or "." for the working tree, the default of HEAD. The default of
    BASE is the merge base with the main branch, or on the main branch the commit in bench/baseline.

    The exit code is 1 if HEAD needs more instructions than BASE, beyond the limit.
    """
    try:
        options = Options(seconds, rounds, 0, smoke=False)
        request = _Request(base or default_base(head), head, short, patterns or ("",), limit, options, cache)
        report = _compare(request)
    except NoBaseError as error:
        sys.stderr.write(f"compare: nothing to compare with: {error}\n")
        return
    except (BenchError, RevisionError) as error:
        sys.stderr.write(f"compare: {error}\n")
        sys.exit(_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    if json_path:
        Path(json_path).write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    console = Console()
    print_comparison(report, console if console.is_terminal else Console(width=_WIDTH))
    if found := exceeding(report.comparisons, limit):
        sys.stderr.write(f"compare: {describe_excess(found, report.base.title, limit)}\n")
        sys.exit(_EXCEEDED)


def _compare(request: _Request) -> ComparisonReport:
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # child processes end, too
    here, before = machine(), load_average()
    with (
        progress_line() as report_progress,
        tempfile.TemporaryDirectory() as folder,
        ProcessGroup(folder) as processes,
    ):
        sides = _prepare(request, processes, report_progress)
        if different := different_libraries(sides[0].side, sides[1].side):
            report_progress(f"without equal libraries: {different}")
        comparisons: list[Comparison] = []
        if not request.short:
            comparisons += compare_loads(sides, processes, request.options, request.patterns, report_progress)
        comparisons += compare_instructions(sides, processes, request.patterns, report_progress)
    loaded = msgspec.structs.replace(here, load=(before, load_average()))
    return ComparisonReport(loaded, sides[0].side, sides[1].side, request.limit, comparisons)


def _prepare(
    request: _Request, processes: ProcessGroup, report_progress: Callable[[str], object]
) -> list[SideInstallation]:
    import_folder = make_import_folder(processes.new_folder("import") / "path")
    sides = []
    for name, revision in (("base", request.base), ("head", request.head)):
        report_progress(f"installing {revision}")
        prepared = prepare(revision, cache=request.cache)
        sides.append(prepare_side(name, prepared, import_folder))
    return sides
