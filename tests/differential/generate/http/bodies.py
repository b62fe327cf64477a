"""Scenes over HTTP with malformed bodies and queries."""

from __future__ import annotations

from collections.abc import Sequence

from tests.differential.generate.http.requests import JSON, HttpScene

__all__ = ["bodies", "queries"]


def bodies(scene: HttpScene) -> None:
    """Malformed bodies, and unsupported media types."""
    random = scene.random
    form, parts = (
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=x",
    )
    part = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n'
    odd: Sequence[tuple[Sequence[str], bytes]] = (
        ([JSON], b"{"), ([JSON], b"[]"), ([JSON], b"1"), ([JSON], b'{"name":"\xff"}'), ([JSON],
        b"[" * 3000), ([JSON], b'{"a":NaN}'),
        ([JSON], b' {"name":\n"a",\r\n"price":1}\n'), ([JSON], b"\xef\xbb\xbf{}"), ([JSON], b""),
        ([JSON], b"null"),
        ([], b'{"name":"a"}'), (["Content-Type: text/plain"], b"x"), (["Content-Type: application/xml"],
        b"<a/>"), ([JSON, form], b"{}"),
        (["Content-Type: application/json; charset=latin-1"], b"{}"),
        (["Content-Type: application/json;charset=UTF-8"], b"{}"),
        (['Content-Type: application/json; charset="utf-8"; x=y'], b"{}"), ([JSON,
        "Content-Encoding: gzip"], b"{}"),
        ([JSON, "Content-Encoding: identity"], b"{}"), ([JSON, "Content-Encoding: Identity, x"], b"{}"),
        ([form], b'{"name": 1}'),
        ([form], b"name=%ff"), ([form], b"name=%zz&price=+1"), ([form], b"name=\xff"), ([form],
        b"a=1&" * 1001), ([form], b"name&price=2&&=&=x"),
        ([form], b"name=a&name=b&price=1e999"), ([form], b"name=a;price=1"),
        (["Content-Type: multipart/form-data"], part), ([parts], part),
        ([parts], part + b"--x--\r\n"), ([parts], part + b"--x--"), ([parts], b"--x--\r\n"), ([parts], b"x"),
        ([parts], b"preamble\r\n" + part + b"--x--\r\nepilogue"), ([parts], part * 1001 + b"--x--\r\n"),
        ([parts], part.replace(b'"name"', b'"name"; filename="f"') + b"--x--\r\n"), ([parts],
        part.replace(b'"name"', b"name") + b"--x--\r\n"),
        ([parts], part.replace(b"form-data", b"attachment") + b"--x--\r\n"), ([parts],
        part.replace(b"\r\n\r\na", b"\r\n\r\n\xff") + b"--x--\r\n"),
        ([parts], part.replace(b'name="name"', b"") + b"--x--\r\n"), ([parts], part.replace(b"\r\n",
        b"\n") + b"--x--\n"),
        (["Content-Type: multipart/mixed; boundary=x"], part + b"--x--\r\n"), ([JSON],
        b'{"name":"a","price":1}' + b" " * 60_000),
    )  # fmt: skip
    for _ in range(random.choice((1, 2, 3))):
        headers, body = random.choice(odd)
        target = random.choice(
            ("/order", "/order?name=q", "/address", "/page/3", "/m/order", "/missing", "/item/1")
        )
        scene.ask("POST", target, headers, body, chunked=random.random() < 0.2)


def queries(scene: HttpScene) -> None:
    """Malformed queries, and arguments in several places."""
    random = scene.random
    odd = (
        "limit=3&limit=4", "limit=%ff", "limit=%", "limit", "=3", "&&", "limit=3;exact=true",
        "tags=a&tags=b", "tags",
        "word=a+b%20c", "limit=\xe4", "ratio=nan", "?", "limit=3#x", "exact=1&kind=%61",
        "numbers=1&numbers=x&numbers=3", "limit=4" if scene.strict else "a=1&" * 1001,
    )  # fmt: skip
    for _ in range(random.choice((1, 2))):
        body = random.choice((b"", b"", b"{}", b'{"limit":9}'))
        scene.ask("GET", f"/search?{random.choice(odd)}", [JSON] if body else [], body)
