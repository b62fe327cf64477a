"""``unixsvc stub``: a module with which other programs call a service, and their type checkers see how."""

from __future__ import annotations

import click
import msgspec

from unixsvc.cli.options import located
from unixsvc.cli.session import Session
from unixsvc.errors import BadGateway

__all__ = ["stub"]


def _class(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from unixsvc.stubs.text import class_name  # late: only this one command needs it
    from unixsvc.stubs.types import RESERVED

    if class_name(value) != value or value in RESERVED:
        raise click.BadParameter(f"{value!r} is no name for a class here")
    return value


@click.command()
@click.argument("service")
@click.option(
    "--class",
    "name",
    metavar="NAME",
    callback=_class,
    help="The name of the client class; else the service's.",
)
@located
@click.pass_obj
def stub(session: Session, service: str, name: str | None) -> None:
    """Write a typed client module from a service's contract.

    unixsvc stub user > user_client.py
    """
    from unixsvc.contract.model import Contract
    from unixsvc.stubs.module import client_name, write_module

    told = session.request(service, "/-/routes")
    try:
        contract = msgspec.json.decode(told, type=Contract)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"the contract cannot be read: {error}") from None
    click.echo(write_module(contract, service, name or client_name(service)).encode(), nl=False)
