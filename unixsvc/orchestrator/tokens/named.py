"""The tables ``[tokens.NAME]``, and what revocations leave of them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unixsvc.config.settings import NamedToken, Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.tokens.interfaces import TokenEntry
from unixsvc.orchestrator.tokens.state import TokenState
from unixsvc.security.access import AcceptedToken, RouteRules

__all__ = ["accepted", "check_routes", "entries", "revoked_names"]

Tables = Mapping[str, NamedToken]


def check_routes(settings: Settings) -> None:
    """Check the routes of all tokens.

    :raises ConfigError: naming the first table with a wrong one.
    """
    for name, token in settings.tokens.items():
        try:
            RouteRules(token.routes)
        except ConfigError as error:
            raise ConfigError(f"{settings.source}: tokens.{name}.routes", str(error)) from None


def accepted(tables: Tables, state: TokenState) -> Iterator[AcceptedToken]:
    """The tokens that services accept: all but the revoked ones."""
    revoked = {token.sha256 for token in state.revoked}
    for name, token in tables.items():
        for digest in token.digests:
            if digest not in revoked:
                yield AcceptedToken(name, digest, token.services, token.routes)


def entries(tables: Tables, state: TokenState) -> Iterator[TokenEntry]:
    """The tokens, with their states."""
    valid = {token.name for token in accepted(tables, state)}
    for name, token in tables.items():
        yield TokenEntry(name, token.services, token.routes, "valid" if name in valid else "revoked")


def revoked_names(tables: Tables, state: TokenState) -> list[str]:
    """The names of tables with a revoked digest, which have no use any more."""
    revoked = {token.sha256 for token in state.revoked}
    return [name for name, token in tables.items() if revoked.intersection(token.digests)]
