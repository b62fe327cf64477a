"""Random conversations, as lists of steps."""

from __future__ import annotations

import json
from random import Random
from typing import Final

from tests.unit.server.accepted.world import TOKEN

__all__ = ["MAX_MESSAGE", "NOT_REQUESTS", "Step", "conversation"]

MAX_MESSAGE: Final = 2000
# What is done, by which client, and with which bytes.
Step = tuple[str, int, bytes]

_PATHS: Final = (
    *("/now", "/now", "/now", "/later", "/later", "/big", "/peer", "/left", "/keep", "/items", "/slow-items"),
    "/x",
)
# Each is no request that is answered at once.
NOT_REQUESTS: Final = (
    *(b"\n", b" \n", b"nonsense\n", b"nonsense", b"[]\n", b"{}{}\n", b"{}}\n", b"}", b"{}\xff\n"),
    *(b'{"id":1', b'{"id":{}}\n', b'{"path":1}\n', b'{"path":"now"}\n', b'{"data":[]}\n'),
    *(b'{"id":1,"cancel":true}\n', b'{"id":1,"credit":3}\n', b'{"id":"' + b"x" * 300 + b'"}\n'),
    b'{"data":{"x":"' + b"y" * MAX_MESSAGE + b'"}}\n',
)


def conversation(random: Random) -> list[Step]:
    """A conversation of up to four clients with one server."""
    steps: list[Step] = []
    clients = 0
    for _ in range(random.randint(1, 12)):
        if not clients or (clients < 4 and random.random() < 0.3):
            steps.append(("connect", clients, _first(random)))
            clients += 1
            continue
        client = random.randrange(clients)
        kind = random.choices(
            ("send", "answer", "end", "close", "advance", "drain", "abort", "stop reading", "read", "review"),
            (8, 4, 1, 2, 2, 0.6, 0.3, 0.5, 1, 0.4),
        )[0]
        steps.append((kind, client, _chunk(random) if kind == "send" else b""))
    return steps


def _first(random: Random) -> bytes:
    """What a client sends before it is accepted: most often one whole request, or one without a line end."""
    kind = random.random()
    if kind < 0.5:
        return _request(random)
    if kind < 0.7:
        return _request(random, framed=False)
    return _chunk(random) if kind < 0.95 else b""


def _chunk(random: Random) -> bytes:
    """Some messages, of which the last may be incomplete."""
    parts = [_request(random) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))]
    if random.random() < 0.3:
        parts.insert(random.randint(0, len(parts)), random.choice(NOT_REQUESTS))
    if random.random() < 0.1:
        parts.append(_request(random, framed=False))
    data = b"".join(parts)
    return data[: random.randint(0, len(data))] if random.random() < 0.2 else data


def _request(random: Random, *, framed: bool = True) -> bytes:
    message: dict[str, object] = {"path": random.choice(_PATHS)}
    if random.random() < (0.7 if framed else 0.1):
        message["id"] = random.choice((1, 2, 3, "a", 4711))
    if random.random() < 0.5:
        message["auth_token"] = random.choice((TOKEN, TOKEN, TOKEN, "wrong"))
    if random.random() < 0.3:
        message["data"] = {"n": random.randint(1, 9)}
    if random.random() < 0.04:
        message["data"] = {"x": "y" * (MAX_MESSAGE - random.randint(0, 200))}
    if random.random() < 0.05:
        message["oneway"] = True
    if random.random() < 0.05:
        message["timeout"] = random.choice((0, 1.0, 60.0))
    if random.random() < 0.05:
        message["credit"] = random.randint(0, 3)
    spaces = random.choice((b"", b"", b"", b" "))
    return json.dumps(message).encode() + spaces + (b"\n" if framed else b"")
