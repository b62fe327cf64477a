"""``unixsvc openapi``: print the OpenAPI document without starting anything."""

from __future__ import annotations

import click
import msgspec

from unixsvc.cli.output import print_error
from unixsvc.cli.session import Session, location_options
from unixsvc.config.http import Http
from unixsvc.config.settings import HTTP_SERVICE
from unixsvc.contract.model import UnavailableContract
from unixsvc.errors import ConfigError

__all__ = ["openapi"]


@click.command()
@click.argument("service", default=HTTP_SERVICE)
@location_options
@click.pass_obj
def openapi(session: Session, service: str) -> None:
    """Print the OpenAPI document of SERVICE, by default of the HTTP gateway.

    No service is started, but applications are imported and controllers are created, as in a worker. For
    instance: unixsvc openapi > openapi.json
    """
    from unixsvc.cli.application.contracts import find_contracts  # late: only this command needs it
    from unixsvc.rest.openapi.document import describe

    settings = session.configuration.settings
    if service not in settings.services:
        known = ", ".join(sorted(settings.services))
        raise ConfigError(settings.source, f"there is no service {service!r}", f"the services are: {known}")
    contracts = find_contracts(settings, service)
    for each in contracts:
        if isinstance(each, UnavailableContract):
            print_error(f"warning: the routes below {each.prefix} are not known without a running service")
    http = settings.gateways.get(service, Http())
    document = msgspec.json.encode(describe(contracts, token=http.token))
    click.echo(msgspec.json.format(document, indent=2))
