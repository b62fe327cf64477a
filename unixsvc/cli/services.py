"""``unixsvc ls`` and ``unixsvc routes``: the running services and their routes."""

from __future__ import annotations

import os

import click
import msgspec

from unixsvc.cli.completion import complete_service
from unixsvc.cli.output import print_json, print_table
from unixsvc.cli.session import Session, location_options
from unixsvc.client.discovery.connect import is_listening
from unixsvc.contract.model import Contract, referenced_schema
from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway, ConfigError
from unixsvc.socket_directory import service_names, socket_path

__all__ = ["ls", "routes"]


@click.command()
@location_options
@click.pass_obj
def ls(session: Session) -> None:
    """List the running services, one per line."""
    directory = session.directory
    if not os.path.isdir(directory):
        session.check_configuration()
        remedy = "start services with 'twistd -n unixsvc', or give another --config or --socket-dir"
        raise ConfigError(directory, "the directory does not exist", remedy)
    running = [name for name in service_names(directory) if is_listening(socket_path(directory, name))]
    for name in running:
        click.echo(name)
    if not running:
        session.check_configuration()
        click.echo(f"unixsvc: {directory}: no service runs here; start it with: twistd -n unixsvc", err=True)


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.option("--json", "as_json", is_flag=True, help="Print the whole contract, with JSON Schemas.")
@location_options
@click.pass_obj
def routes(session: Session, service: str, as_json: bool) -> None:
    """Show the routes of SERVICE."""
    contract = session.request(service, "/-/routes")
    if as_json:
        print_json(contract, terminal=session.terminal)
        return
    try:
        found = msgspec.json.decode(contract, type=Contract)
    except msgspec.DecodeError as error:
        raise BadGateway(f"the contract cannot be read: {shortened(str(error))}") from None
    rows = [
        [
            each.method,
            each.path,
            _arguments(each.data, found.schemas),
            "yes" if each.public else "",
            each.title,
        ]
        for each in found.routes
    ]
    print_table(["METHOD", "PATH", "DATA", "PUBLIC", "TITLE"], rows, terminal=session.terminal)


def _arguments(schema: Json, schemas: JsonObject) -> str:
    """The names of the arguments, in brackets where they are optional."""
    schema = schemas.get(referenced_schema(schema), schema)
    if not isinstance(schema, dict):
        return ""
    required = schema.get("required", [])
    return ", ".join(name if name in required else f"[{name}]" for name in schema.get("properties", {}))
