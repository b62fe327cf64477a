"""``unixsvc ls`` and ``unixsvc routes``: what runs here, and what it answers."""

from __future__ import annotations

import os

import click
import msgspec

from unixsvc.cli.completion import complete_service
from unixsvc.cli.options import located
from unixsvc.cli.output import echo_json, echo_table
from unixsvc.cli.session import Session
from unixsvc.client.connect import is_listening
from unixsvc.contract.model import Contract, referenced_schema
from unixsvc.domain.json import Json, JsonObject
from unixsvc.errors import BadGateway, ConfigError
from unixsvc.socket_directory import service_names, socket_path

__all__ = ["ls", "routes"]


@click.command()
@located
@click.pass_obj
def ls(session: Session) -> None:
    """List the services that run here, one a line."""
    directory = session.settings.socket_dir
    if not os.path.isdir(directory):
        remedy = "start services with 'twistd -n unixsvc', or name another --config or --socket-dir"
        raise ConfigError(directory, "there is no such directory", remedy)
    running = [name for name in service_names(directory) if is_listening(socket_path(directory, name))]
    for name in running:
        click.echo(name)
    if not running:
        click.echo(f"unixsvc: {directory}: no service runs here; start it with: twistd -n unixsvc", err=True)


@click.command()
@click.argument("service", shell_complete=complete_service)
@click.option("--json", "as_json", is_flag=True, help="The whole contract, with its JSON Schemas.")
@located
@click.pass_obj
def routes(session: Session, service: str, as_json: bool) -> None:
    """Show what a service answers."""
    contract = session.request(service, "/-/routes")
    if as_json:
        echo_json(contract, terminal=session.terminal)
        return
    try:
        found = msgspec.json.decode(contract, type=Contract)
    except msgspec.DecodeError as error:
        raise BadGateway(f"the contract cannot be read: {error}") from None
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
    echo_table(["METHOD", "PATH", "DATA", "PUBLIC", "TITLE"], rows, terminal=session.terminal)


def _arguments(schema: Json, schemas: JsonObject) -> str:
    """The names of the arguments, in brackets where they are optional."""
    schema = schemas.get(referenced_schema(schema), schema)
    if not isinstance(schema, dict):
        return ""
    required = schema.get("required", [])
    return ", ".join(name if name in required else f"[{name}]" for name in schema.get("properties", {}))
