"""``unixsvc stub``: generate a typed client module for a service."""

from __future__ import annotations

import click
import msgspec

from unixsvc.cli.session import Session, location_options
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway

__all__ = ["stub"]


def _check_class_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from unixsvc.stubs.text import class_name  # late: only this command needs it
    from unixsvc.stubs.types import RESERVED

    if class_name(value) != value or value in RESERVED:
        raise click.BadParameter(f"{value!r} is not a valid class name")
    return value


@click.command()
@click.argument("service")
@click.option(
    "--class",
    "name",
    metavar="NAME",
    callback=_check_class_name,
    help="Name of the client class [default: from the name of the service].",
)
@location_options
@click.pass_obj
def stub(session: Session, service: str, name: str | None) -> None:
    """Print a typed client module for SERVICE.

    It is generated from the contract of the service. For instance: unixsvc stub user > user_client.py
    """
    from unixsvc.contract.model import Contract
    from unixsvc.stubs.module import client_name, write_module

    reply = session.request(service, "/-/routes")
    try:
        contract = msgspec.json.decode(reply, type=Contract)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"the contract cannot be read: {shortened(str(error))}") from None
    click.echo(write_module(contract, service, name or client_name(service)).encode(), nl=False)
