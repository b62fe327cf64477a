"""Checks the table ``[dashboard]``, and resolves its paths."""

from __future__ import annotations

import os

from msgspec.structs import replace

from unixsvc.config.checks import check_hosts
from unixsvc.config.dashboard import Dashboard
from unixsvc.config.http import parse_listen
from unixsvc.errors import ConfigError

__all__ = ["resolve_dashboard"]


def resolve_dashboard(table: Dashboard, source: str, folder: str) -> Dashboard:
    """Check the table; the path of its token file is absolute in the result.

    :param source: the files, for messages.
    :param folder: the base of relative paths.
    :raises ConfigError: naming the key that is wrong.
    """
    if not table.listen:
        return table
    where = f"{source}: dashboard"
    try:
        address = parse_listen(table.listen, folder)
    except ConfigError as error:
        raise ConfigError(f"{where}.listen", str(error)) from None
    if address.kind == "ssl":
        remedy = "listen on 127.0.0.1 or a Unix socket, and put a reverse proxy with TLS in front"
        raise ConfigError(f"{where}.listen", "the page has no TLS of its own", remedy)
    check_hosts(table.allowed_hosts, f"{where}.allowed_hosts")
    if not table.token_file:
        return table
    return replace(table, token_file=os.path.normpath(os.path.join(folder, table.token_file)))
