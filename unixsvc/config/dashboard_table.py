"""Checks the table ``[dashboard]``, and resolves its paths."""

from __future__ import annotations

import os
import re

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
    if table.trace_link:
        _check_trace_link(table.trace_link, f"{where}.trace_link")
    if not table.token_file:
        return table
    return replace(table, token_file=os.path.normpath(os.path.join(folder, table.token_file)))


def _check_trace_link(link: str, where: str) -> None:
    """Check that a browser which follows the link gets to the page of a trace, and runs nothing.

    All who read the page get it, so it has no password.
    """
    start, placeholder, end = link.partition("{trace_id}")
    is_address = re.fullmatch(r"https?://(?:(?![/?#@\\])[!-z|~])+[/?#][!-z|~]*", start)
    if not (placeholder and is_address and re.fullmatch(r"[!-z|~]*", end)):
        remedy = 'write it as "http://jaeger:16686/trace/{trace_id}", and other braces as %7B and %7D'
        raise ConfigError(where, "is no address of a trace", remedy)
