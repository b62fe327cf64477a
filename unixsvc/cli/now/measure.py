"""``unixsvc profile`` and ``unixsvc memory``: the processor time and the memory of workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.completion import complete_service
from unixsvc.cli.now.flame import folded, hottest, speedscope, svg
from unixsvc.cli.output import print_json, print_line, print_table
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway

__all__ = ["memory", "profile"]

_T = TypeVar("_T")
_EXTRA: Final = 30.0  # seconds for the answers
_seconds: Final = click.FloatRange(min=0, min_open=True, max=300)


class _Silent(Struct, frozen=True):
    service: str
    pid: int | None
    problem: str


class _Profile(Struct, frozen=True):
    seconds: float
    overhead: float
    pids: list[int]
    stacks: dict[str, float]
    silent: list[_Silent] = []


class _Allocation(Struct, frozen=True):
    where: str
    size: int
    count: int


class _Type(Struct, frozen=True):
    name: str
    count: int
    growth: int


class _Worker(Struct, frozen=True):
    rss: int
    pss: int
    uss: int
    allocations: list[_Allocation]
    types: list[_Type]
    pid: int | None = None


class _Memory(Struct, frozen=True):
    workers: list[_Worker]
    silent: list[_Silent] = []


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.option("--seconds", type=_seconds, default=10.0, help="How long to take samples [default: 10].")
@click.option("--worker", type=int, metavar="PID", help="The only worker [default: all, added up].")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a flame graph (.svg), folded stacks (.txt) or a profile for speedscope (.json).",
)
@location_options
@click.pass_obj
def profile(session: Session, service: str, seconds: float, worker: int | None, output: Path | None) -> None:
    """Show which code of SERVICE uses the processor, by 100 samples in each second of processor time.

    Without a file, prints the functions that use most time themselves.
    """
    writers = {".svg": _as_svg, ".txt": _as_text, ".json": _as_json}
    if output is not None and output.suffix not in writers:
        raise click.BadParameter("the name has to end with .svg, .txt or .json", param_hint="--output")
    found = _decode(_measure(session, "/profile", service, seconds, worker), _Profile)
    if output is not None:
        output.write_text(writers[output.suffix](found, service), "utf-8")
        click.echo(f"wrote {output}")
    else:
        whole = sum(found.stacks.values()) or 1.0
        rows = [
            [f"{own:.3f}", f"{own / whole:.1%}", f"{total:.3f}", name]
            for name, own, total in hottest(found.stacks)
        ]
        print_table(["SELF s", "%", "TOTAL s", "FUNCTION"], rows, terminal=session.terminal)
    print_line(_summary(found))
    _print_silent(found.silent)


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.option("--seconds", type=_seconds, default=10.0, help="How long to watch allocations [default: 10].")
@click.option("--worker", type=int, metavar="PID", help="The only worker [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON, in bytes.")
@location_options
@click.pass_obj
def memory(session: Session, service: str, seconds: float, worker: int | None, as_json: bool) -> None:
    """Show the memory of the workers of SERVICE, what allocates it, and which objects become more.

    Allocations cost more while they are watched.
    """
    raw = _measure(session, "/memory", service, seconds, worker)
    if as_json:
        print_json(raw, terminal=session.terminal)
        return
    found = _decode(raw, _Memory)
    for each in found.workers:
        sizes = f"RSS {_size(each.rss)}, PSS {_size(each.pss)}, USS {_size(each.uss)}"
        print_line(f"{service} (pid {each.pid}): {sizes}")
        rows = [[_size(one.size), str(one.count), one.where] for one in each.allocations]
        print_table(["ALLOCATED", "BLOCKS", "LINE"], rows, terminal=session.terminal)
        rows = [[str(one.count), f"{one.growth:+d}", one.name] for one in each.types]
        print_table(["OBJECTS", "GROWTH", "TYPE"], rows, terminal=session.terminal)
    _print_silent(found.silent)


def _as_svg(found: _Profile, service: str) -> str:
    return svg(found.stacks, f"{service}: {_summary(found)}")


def _as_text(found: _Profile, service: str) -> str:
    return folded(found.stacks)


def _as_json(found: _Profile, service: str) -> str:
    return msgspec.json.encode(speedscope(found.stacks, service)).decode()


def _summary(found: _Profile) -> str:
    used = sum(found.stacks.values())
    workers = f"{len(found.pids)} worker{'' if len(found.pids) == 1 else 's'}"
    time = f"{used:.2f} s of processor time in {found.seconds:g} s of {workers}"
    return f"{time}; sampling used {found.overhead:.3f} s"


def _print_silent(workers: list[_Silent]) -> None:
    for silent in workers:
        print_line(f"{silent.service} (pid {silent.pid}): {silent.problem}")


def _size(value: int) -> str:
    return f"{value / 2**20:.1f} MiB" if value >= 2**20 else f"{value / 1024:.1f} KiB"


def _measure(session: Session, path: str, service: str, seconds: float, pid: int | None) -> Raw:
    data: dict[str, Any] = {"service": service, "seconds": seconds, "pid": pid}
    encoded = Raw(msgspec.json.encode(data))
    return session.request(CONTROL_SERVICE, path, method="POST", data=encoded, timeout=seconds + _EXTRA)


def _decode(raw: Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise BadGateway(f"the reply cannot be read: {shortened(str(error))}") from None
