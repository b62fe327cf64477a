"""The command."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from threading import Thread
from typing import Final

import click
import msgspec
from msgspec import Struct

from unixsvc.cli.completion import complete_service
from unixsvc.cli.known_service import KnownService, known_services
from unixsvc.cli.output import describe_error, print_error, print_line
from unixsvc.cli.session import Session, location_options
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.path_prefix import HEALTH, LIVE, READY
from unixsvc.errors import ServiceError

__all__ = ["health"]

_UNHEALTHY: Final = 5  # the exit code, as of a call to a service that fails
_SOCKET_HANDLER: Final = "unixsvc.server.handler:SocketRequestHandler"
_PATHS: Final = {"health": HEALTH, "ready": READY, "live": LIVE}
_HTTP_HANDLER: Final = "unixsvc.rest.handler:HttpRequestHandler"


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1, shell_complete=complete_service)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    default=5.0,
    metavar="SECONDS",
    help="Time for all services together [default: 5].",
)
@click.option(
    "--ready",
    "kind",
    flag_value="ready",
    help="Whether clients should send requests: also what the services mount is asked. Prints one line.",
)
@click.option(
    "--live",
    "kind",
    flag_value="live",
    help="Whether the event loop of the orchestrator runs, or that of each SERVICE. Prints one line.",
)
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each healthy service too.")
@location_options
@click.pass_obj
def health(
    session: Session, services: tuple[str, ...], timeout: float, kind: str | None, verbose: bool
) -> int:
    """Check the health of each SERVICE, or of all services.

    Exits with 0 if each of them is ready and answers its health check in time, the HTTP gateway at each of
    its addresses. Otherwise prints a line for each that does not, and exits with 5.
    """
    deadline = time.monotonic() + timeout
    if kind == "live" and not services:
        session.request(CONTROL_SERVICE, _PATHS[kind], timeout=timeout)
        click.echo("live")
        return 0
    entries = known_services(session, timeout)
    known = [entry.name for entry in entries]
    for name in services:
        if name not in known:
            raise click.BadParameter(f"there is no service {name!r}; there are: {', '.join(known)}")
    checked = [entry for entry in entries if entry.name in services or not services]
    check = partial(_problem_of, session, session.credentials(), deadline, _PATHS[kind or "health"])
    found = _check_all(checked, check, deadline)
    problems = {each.name: found.get(each.name, f"no answer within {timeout:g} s") for each in checked}
    if kind is None:
        _print_each(problems, verbose)
    else:
        _print_one(problems, kind)
    return _UNHEALTHY if any(problems.values()) else 0


def _print_each(problems: dict[str, str], verbose: bool) -> None:
    for name, problem in problems.items():
        if problem:
            print_error(f"{name}: {problem}")
        elif verbose:
            click.echo(f"{name}: healthy")


def _print_one(problems: dict[str, str], kind: str) -> None:
    """Print one line, as Docker and Kubernetes show what a probe prints."""
    wrong = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    if wrong:
        print_error(f"not {kind}: {'; '.join(wrong)}")
    else:
        print_line(f"{kind}: {', '.join(problems)}")


class _Dependency(Struct, frozen=True):
    name: str
    state: str
    since: str


class _Readiness(Struct, frozen=True):
    state: str
    dependencies: tuple[_Dependency, ...]


def _check_all(
    entries: Collection[KnownService], check: Callable[[KnownService], str], deadline: float
) -> dict[str, str]:
    """Check services at the same time, so that one that hangs does not take the time of the others.

    :returns: the problem of each, empty for none; without those that were not checked in time.
    """
    problems: dict[str, str] = {}

    def run(entry: KnownService) -> None:
        problems[entry.name] = check(entry)

    threads = [Thread(target=run, args=(entry,), daemon=True) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(problems)


def _problem_of(
    session: Session, credentials: Credentials, deadline: float, path: str, entry: KnownService
) -> str:
    """The reason why a service is not healthy; empty if it is.

    If a service has a handler of its own, its protocol is not known here: what the orchestrator says counts.
    """
    if entry.status != "ready":
        return f"is {entry.status}"
    try:
        if entry.handler == _SOCKET_HANDLER:
            with session.client(entry.name, credentials) as client:
                client.request(Call("GET", path), _time_left(deadline))
        elif entry.handler == _HTTP_HANDLER:
            # Late, as few systems need it, and http.client and ssl take longer than the checks.
            from unixsvc.cli.health.gateway import problem_at

            token = credentials.token
            found = [problem_at(each, path, token, _time_left(deadline)) for each in entry.listen]
            return "; ".join(filter(None, found))
    except ServiceError as error:
        return _unready_dependencies(error.detail) or describe_error(error)[0]
    return ""


def _unready_dependencies(detail: object) -> str:
    """What a service says of itself in place of ``/-/ready``; empty if it does not."""
    try:
        found = msgspec.convert(detail, _Readiness)
    except msgspec.ValidationError:
        return ""
    if found.state == "draining":
        return "is draining"
    return ", ".join(
        f"{each.name} is {each.state} since {each.since}" for each in found.dependencies if each.state != "ok"
    )


def _time_left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())
