"""Plays the protocol exchanges of a page against the real service."""

from __future__ import annotations

import json
import re
import socket
from typing import Any, Final

__all__ = ["play"]

_TIMEOUT: Final = 20.0  # seconds; only reached if something is broken
_LINE: Final = re.compile(r"(?P<who>[CS])(?P<bare> \(no line end\))?: (?P<text>.*)")
_CLOSES: Final = "(closes the connection)"


def play(exchange: str, path: str, token: str) -> None:
    """Send each line of the client, and compare what the service sends.

    ``C:`` is the client, ``S:`` the service. In messages from the service ``"…"`` stands for any value. An
    ``auth_token`` of ``"…"`` is the real one; without it the connection has shown it before.

    :param path: of the service's socket.
    :raises AssertionError: if the service sends something else.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        lines = connection.makefile("rb")
        if "auth_token" not in exchange and "(no line end)" not in exchange:
            first = {"id": 0, "path": "/-/ping", "auth_token": token}
            connection.sendall(json.dumps(first).encode() + b"\n")
            lines.readline()
        for line in exchange.splitlines():
            found = _LINE.fullmatch(line)
            assert found, f"{line!r} is sent by neither C: nor S:"
            text = found["text"]
            if found["who"] == "S":
                received = lines.readline().decode()
                wanted = None if text == _CLOSES else json.loads(text)
                assert _fits(wanted, json.loads(received) if received else None), f"{line}\nfound: {received}"
            elif text == _CLOSES:
                connection.shutdown(socket.SHUT_WR)
            else:
                end = "" if found["bare"] else "\n"
                connection.sendall(
                    (text.replace('"auth_token": "…"', f'"auth_token": "{token}"') + end).encode()
                )


def _fits(wanted: Any, found: Any) -> bool:
    if wanted == "…":
        return True
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(_fits(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_fits, wanted, found))
    return bool(wanted == found)
