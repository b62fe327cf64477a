"""``unixsvc ps`` and ``unixsvc cancel``: the requests in flight."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Final, TypeVar

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.completion import complete_service
from unixsvc.cli.output import print_json, print_line, print_table
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway

__all__ = ["cancel", "ps", "short_place"]

_T = TypeVar("_T")
_HEADERS: Final = ["SERVICE", "PID", "ID", "REQUEST", "AGE", "LEFT", "CALLER", "WAITS AT"]
_ENDED_HEADERS: Final = ["ENDED", "SERVICE", "PID", "ID", "REQUEST", "CODE", "MS", "CALLER"]
# Code in these folders is not the application's.
_LIBRARIES: Final = (
    f"{os.sep}site-packages{os.sep}",
    f"{os.sep}dist-packages{os.sep}",
    f"{os.sep}lib{os.sep}python",
)
_MINUTE: Final = 60.0


class _Request(Struct, frozen=True):
    service: str
    pid: int | None
    id: str
    kind: str
    method: str
    path: str
    route: str = ""
    age: float | None = None
    deadline: float | None = None
    caller: str = ""
    where: str = ""
    stack: list[str] = []
    shielded: bool = False


class _Silent(Struct, frozen=True):
    service: str
    pid: int | None
    problem: str


class _List(Struct, frozen=True):
    requests: list[_Request]
    silent: list[_Silent] = []


class _Ended(Struct, frozen=True):
    service: str
    pid: int | None
    id: str
    ended: float
    seconds: float
    code: int
    method: str
    path: str
    caller: str = ""


class _EndedList(Struct, frozen=True):
    requests: list[_Ended]
    silent: list[_Silent] = []


class _Cancelled(Struct, frozen=True):
    cancelled: int
    shielded: int = 0


@click.command()
@click.argument("service", default="", shell_complete=complete_service)
@click.option("-v", "--verbose", is_flag=True, help="Print the route and the stack of each request too.")
@click.option(
    "--slowest", "ended", flag_value="slowest", help="Show the slowest of the last five minutes instead."
)
@click.option(
    "--failed",
    "ended",
    flag_value="failed",
    help="Show those of the last five minutes that have failed (500 or more).",
)
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON, in seconds.")
@location_options
@click.pass_obj
def ps(session: Session, service: str, verbose: bool, ended: str | None, as_json: bool) -> None:
    """Show the requests in flight, of SERVICE or of all services.

    The oldest come first, with their worker, their caller, the time that is left, and the place in the code
    where they wait.
    """
    path = f"/requests/{ended}" if ended else "/requests"
    raw = session.request(CONTROL_SERVICE, path, data=_encode(service=service))
    if as_json:
        print_json(raw, terminal=session.terminal)
        return
    if ended:
        _print_ended(_decode(raw, _EndedList), terminal=session.terminal)
        return
    listed = _decode(raw, _List)
    if verbose:
        for request in listed.requests:
            _print_details(request)
    else:
        print_table(_HEADERS, [_row(each) for each in listed.requests], terminal=session.terminal)
    _print_silent(listed.silent)


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--service", default="", help="Cancel in this service only.", shell_complete=complete_service)
@location_options
@click.pass_obj
def cancel(session: Session, request_id: str, service: str) -> None:
    """Cancel the request ID, or the only one whose id begins with ID.

    The action gets the same error as if its caller had cancelled the request, and the caller gets 499. Calls
    to other services have the id of the request that has caused them, and are cancelled too.
    """
    data = _encode(id=request_id, service=service)
    done = _decode(session.request(CONTROL_SERVICE, "/requests/cancel", method="POST", data=data), _Cancelled)
    click.echo(f"cancelled {done.cancelled} request{'' if done.cancelled == 1 else 's'}")
    if done.shielded:
        click.echo(f"{done.shielded} are not cancelled, as their routes have a shield")


def short_place(where: str, stack: list[str], folder: str) -> str:
    """The place where a request waits, for a table: in the application, and the innermost one if it differs.

    :param where: as ``file:line function``, or another text.
    :param stack: the outermost place first.
    :param folder: files in it are named relative to it.
    """
    own = next((each for each in reversed(stack) if not any(part in each for part in _LIBRARIES)), "")
    places = [own, where] if own and own != where else [where]
    return " > ".join(_shorten(each, folder) for each in places)


def _shorten(place: str, folder: str) -> str:
    if not place.startswith(os.sep):
        return place
    inside = place.removeprefix(folder.rstrip(os.sep) + os.sep)
    return inside if inside != place else "/".join(place.split(os.sep)[-2:])


def _row(request: _Request) -> list[str]:
    return [
        request.service,
        "" if request.pid is None else str(request.pid),
        request.id,
        f"{request.method} {request.path}",
        _seconds(request.age),
        _seconds(request.deadline),
        request.caller,
        short_place(request.where, request.stack, os.getcwd()),
    ]


def _print_ended(listed: _EndedList, *, terminal: bool) -> None:
    rows = [
        [
            datetime.fromtimestamp(each.ended).strftime("%H:%M:%S"),  # local time is shown
            each.service,
            "" if each.pid is None else str(each.pid),
            each.id,
            f"{each.method} {each.path}",
            str(each.code),
            f"{each.seconds * 1000:.1f}",
            each.caller,
        ]
        for each in listed.requests
    ]
    print_table(_ENDED_HEADERS, rows, terminal=terminal)
    _print_silent(listed.silent)


def _print_silent(workers: list[_Silent]) -> None:
    for silent in workers:
        print_line(f"{silent.service} (pid {silent.pid}): {silent.problem}; its event loop may be blocked")


def _print_details(request: _Request) -> None:
    print_line(f"{request.service} (pid {request.pid}): {request.id}: {request.method} {request.path}")
    facts = {
        "route": request.route,
        "kind": request.kind,
        "age": _seconds(request.age),
        "left": _seconds(request.deadline),
        "caller": request.caller,
        "shielded": "yes" if request.shielded else "",
        "waits at": "" if request.where in request.stack else request.where,
    }
    lines = [f"{name}: {value}" for name, value in facts.items() if value]
    for line in (*lines, *(f"at {each}" for each in request.stack)):
        click.echo("  ", nl=False)
        print_line(line)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}s" if value < _MINUTE else f"{int(value // _MINUTE)}m {int(value % _MINUTE)}s"


def _encode(**data: str) -> Raw:
    return Raw(msgspec.json.encode(data))


def _decode(raw: Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise BadGateway(f"the reply cannot be read: {shortened(str(error))}") from None
