"""HTTP requests as bytes: methods, targets, headers and bodies of all kinds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote, quote_plus

from tests.differential.generate.socket.drafts import TOKEN, WRONG_TOKEN, cut_places
from tests.differential.generate.values import SampleRequest, any_text
from tests.differential.steps import AnyStep, Drop, Send, Shut, Until

__all__ = ["JSON", "TRACEPARENT", "HttpScene", "head_of"]

JSON: Final = "Content-Type: application/json"
TRACEPARENT: Final = f"00-{'a' * 32}-{'b' * 16}-01"
_LEAVE: Final = "/:?&=%+,;@!$'()*-._~"


def authorization(random: Random) -> list[str]:
    """Authorization headers, mostly with the right token."""
    kind = random.random()
    if kind < 0.75:
        return [f"Authorization: Bearer {TOKEN}"]
    if kind < 0.85:
        return []
    return random.choice((
        [f"Authorization: Bearer {WRONG_TOKEN}"], ["Authorization: Basic YTpi"],
        [f"authorization: bearer   {TOKEN} "],
        [f"Authorization: Bearer {TOKEN}"] * 2, ["Authorization: Bearer"], ["Authorization:"],
        ["Authorization: Bearer \xe4"],
    ))  # fmt: skip


def head_of(method: str, target: str, headers: Sequence[str], version: str = "HTTP/1.1") -> bytes:
    """The head of a request, with its blank line."""
    safe = quote(target, safe=_LEAVE)
    return "\r\n".join([f"{method} {safe} {version}", *headers, "", ""]).encode("latin-1")


def any_body(random: Random, sample: SampleRequest) -> tuple[list[str], bytes]:
    """The data of a request as a body, with its headers."""
    if sample.data is None:
        return [], b""
    kind = random.random()
    if kind < 0.6:
        text = json.dumps(
            sample.data, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 1))
        )
        types = (
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/vnd.x+json",
        )
        return [f"Content-Type: {random.choice(types)}"], text.encode()
    fields = _fields_of(sample.data)
    if kind < 0.85:
        form = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields)
        return ["Content-Type: application/x-www-form-urlencoded"], form.encode()
    return _multipart(random, fields)


def _fields_of(data: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in data.items():
        for each in value if isinstance(value, list) else [value]:
            found.append((name, each if isinstance(each, str) else json.dumps(each)))
    return found


def _multipart(random: Random, fields: Sequence[tuple[str, str]]) -> tuple[list[str], bytes]:
    mark = random.choice(("mark", "-----x1", "a b"))
    lines: list[str] = []
    for name, value in fields:
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        lines += [f"--{mark}", f'Content-Disposition: form-data; name="{quoted}"']
        lines += [random.choice(("Content-Type: text/plain; charset=utf-8", "X-A: b"))] * random.randrange(2)
        lines += ["", value]
    lines += [f"--{mark}--", ""]
    quoted = f'"{mark}"' if " " in mark or random.random() < 0.5 else mark
    return [f"Content-Type: multipart/form-data; boundary={quoted}"], "\r\n".join(lines).encode(
        "utf-8", "replace"
    )


def in_chunks(random: Random, body: bytes) -> bytes:
    """A chunked body, sometimes with extensions and trailers."""
    pieces: list[bytes] = []
    while body:
        size = min(len(body), random.choice((1, 2, 7, 100, 5000)))
        extension = random.choice((b"", b"", b"", b";a", b";a=b", b';a="b;c"'))
        pieces.append(
            b"%b%b\r\n%b\r\n" % (random.choice((b"%x", b"%X", b"000%x")) % size, extension, body[:size])
        )
        body = body[size:]
    trailer = random.choice((b"", b"", b"", b"A: b\r\n", b"Content-Length: 5\r\nX: \xe4\r\n"))
    return b"".join([*pieces, b"0\r\n", trailer, b"\r\n"])


class HttpScene:
    """Steps that belong together, in their order.

    :param random: the source of randomness.
    :param group: the number of this scene.
    :param gate: a name that no other scene has.
    :param strict: whether the server has short time-outs and limits for heads.
    """

    def __init__(self, random: Random, group: int, gate: str, *, strict: bool = False) -> None:
        self.random = random
        self.steps: list[AnyStep] = []
        self.gate = gate
        self._group = group
        self.strict = strict
        self._count = 0

    def send(self, data: bytes, replies: int = 1, on: int = 0, *, cut: bool = True) -> None:
        """Send bytes.

        :param replies: the number of responses to them.
        :param cut: whether they may be cut.
        """
        random = self.random
        cuts = cut_places(random, data) if cut and random.random() < 0.2 else ()
        pause = random.random() < 0.3 and (not self.strict or len(cuts) < 10)
        joined = random.random() < 0.5
        self.steps.append(Send(self._group, on, data, cuts, pause, joined, replies))

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[str] = (),
        body: bytes = b"",
        *,
        on: int = 0,
        token: bool = True,
        named: bool | None = None,
        chunked: bool = False,
        version: str = "HTTP/1.1",
    ) -> None:
        """Send a request.

        :param token: whether it has the token.
        :param named: whether it has a request id; None to choose at random, mostly true.
        """
        self._count += 1
        sent = [*headers]
        if not any(each.lower().startswith("host:") for each in headers):
            sent.insert(0, "Host: localhost")
        if token:
            sent.append(f"Authorization: Bearer {TOKEN}")
        if named or (named is None and self.random.random() < 0.8):
            sent.append(f"X-Request-Id: r{self._group}.{self._count}")
        if chunked:
            sent.append("Transfer-Encoding: chunked")
            body = in_chunks(self.random, body)
        elif body or method in ("POST", "PUT", "PATCH"):
            sent.append(f"Content-Length: {len(body)}")
        if self.random.random() < 0.2:
            self.random.shuffle(sent)
        self.send(head_of(method, target, sent, version) + body, on=on)

    def ask_for(self, sample: SampleRequest, headers: Sequence[str] = (), prefix: str = "") -> None:
        """Send a request with its data in the query, a form or a JSON body."""
        random = self.random
        kinds, body = any_body(random, sample)
        method = sample.method if sample.method.isalpha() else "GET"
        self.ask(
            method,
            prefix + (sample.target if sample.target.startswith("/") else f"/{sample.target}"),
            [*authorization(random), *kinds, *headers],
            body,
            token=False,
            chunked=bool(body) and random.random() < 0.2,
        )

    def answered(self, on: int = 0) -> None:
        """Wait until all requests on a connection are answered."""
        self.steps.append(Until(self._group, on, responses=True))

    def text(self, text: bytes, on: int = 0) -> None:
        """Wait for these bytes."""
        self.steps.append(Until(self._group, on, text=text))

    def answer(self, method: str, target: str, data: dict[str, Any] | None = None, on: int = 1) -> None:
        """Send a request on another connection, and wait for the response."""
        body = b"" if data is None else json.dumps(data).encode()
        self.ask(method, target, ["Content-Type: application/json"] if body else [], body, on=on, named=True)
        self.answered(on)

    def closed(self, on: int = 0) -> None:
        """Wait for the end of the connection."""
        self.steps.append(Until(self._group, on, closed=True))

    def shut(self) -> None:
        """Close the sending side."""
        self.steps.append(Shut(self._group))

    def drop(self) -> None:
        """Close the connection."""
        self.steps.append(Drop(self._group))

    def header(self, name: str) -> str:
        """A header with a random value."""
        return f"{name}: {any_text(self.random).encode('ascii', 'replace').decode().translate(_NO_CONTROLS)}"


_NO_CONTROLS: Final = dict.fromkeys([*range(32), 127])
