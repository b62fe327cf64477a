"""Scenes over HTTP that leave the connection open."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from tests.differential.generate.http.bodies import bodies, queries
from tests.differential.generate.http.requests import JSON, TRACEPARENT, HttpScene
from tests.differential.generate.http.streams import feed, stream
from tests.differential.generate.values import FAILURES, any_request
from tests.differential.steps import ETAG

__all__ = ["SCENES", "simple"]


def simple(scene: HttpScene) -> None:
    """Requests to routes, with random headers."""
    requests(scene)
    if scene.random.random() < 0.3:
        scene.answered()


def requests(scene: HttpScene) -> None:
    """The same, without waiting for responses."""
    random = scene.random
    for _ in range(random.choice((1, 1, 2, 4))):
        headers: list[str] = []
        if random.random() < 0.15:
            seconds = random.choice(("5", "0", "-1", "x", "2.5", "1e3", ".5", "99999999999"))
            headers.append(f"X-Request-Timeout: {seconds}")
        if random.random() < 0.1:
            headers.append(f"Traceparent: {random.choice((TRACEPARENT, 'x', TRACEPARENT.upper()))}")
        if random.random() < 0.1:
            headers.append(
                random.choice(
                    ("Accept: text/html", "Accept: */*", "Accept: application/json;q=0.1", "Accept:")
                )
            )
        if random.random() < 0.1:
            headers.append(
                random.choice(
                    (
                        "Connection: keep-alive",
                        "Cookie: a=b; c",
                        "User-Agent: x",
                        "Range: bytes=0-3",
                        "TE: trailers",
                    )
                )
            )
        if random.random() < 0.05:
            headers.append(scene.header("X-Own"))
        prefix = random.choice(("", "", "", "", "/m"))
        scene.ask_for(any_request(random), headers, prefix)


def failures(scene: HttpScene) -> None:
    """Every error that an action can raise, in each kind of action."""
    random = scene.random
    for _ in range(random.choice((3, 6))):
        data = {"name": random.choice(FAILURES), "detail": random.choice((None, "x", {"a": 1}, [1], 1.5))}
        target = random.choice(("/fail/now", "/fail/plain", "/fail/later", "/fail/thread", "/m/fail/now"))
        scene.ask("POST", target, [JSON], json.dumps(data).encode())


def conditional(scene: HttpScene) -> None:
    """A repeated request of a client that has the response (ETag)."""
    random = scene.random
    target = random.choice(
        (
            "/item/1",
            "/large/3000",
            "/page/point",
            "/page/list",
            "/openapi.json",
            "/docs",
            "/m/item/2",
            "/nothing",
        )
    )
    encoding = random.choice(
        ([], ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip;q=0, *"], ["Accept-Encoding: br, gzip;q=0.5"])
    )
    scene.ask("GET", target, encoding, named=True)
    scene.answered()
    for _ in range(random.choice((1, 2))):
        known = random.choice(
            (ETAG, ETAG, f"W/{ETAG}", f'"a", {ETAG}', '"other"', "*", "x", f"{ETAG},", '"a" "b"', "")
        )
        more = random.choice((encoding, [], ["Accept-Encoding: gzip"]))
        scene.ask(
            random.choice(("GET", "GET", "HEAD", "POST")),
            target,
            [f"If-None-Match: {known}", *more],
            named=True,
        )
        scene.answered()


def encodings(scene: HttpScene) -> None:
    """Responses that may be compressed."""
    random = scene.random
    codings = (
        "gzip",
        "gzip, deflate, br",
        "*",
        "*;q=0",
        "identity",
        "gzip;q=0",
        "GZIP",
        "x-gzip",
        "gzip;q=x",
        "",
        "gzip;q=0.001",
        "br;q=1, *;q=0.1",
    )
    for _ in range(random.choice((1, 2))):
        target = random.choice(
            (
                "/large/1021",
                "/large/1022",
                "/large/1023",
                "/large/70000",
                "/page/list",
                "/page",
                "/missing",
                "/count?to=500",
            )
        )
        scene.ask(
            random.choice(("GET", "GET", "HEAD")),
            target,
            [f"Accept-Encoding: {random.choice(codings)}"],
            named=True,
        )


def methods(scene: HttpScene) -> None:
    """HEAD, OPTIONS, and methods that a path does not have."""
    random = scene.random
    targets = (
        "/item/1", "/own", "/thing/1", "/order", "/count", "/page", "/page/3", "/page/bytes", "/missing",
        "/docs", "/openapi.json", "/", "*",
        "/m/thing/1", "/things/1", "/front", "/absent", "/-/ping", "/search", "/nothing", "/created",
        "/page/under/x", "/large/5000",
    )  # fmt: skip
    for _ in range(random.choice((1, 3))):
        method = random.choice(
            ("HEAD", "OPTIONS", "OPTIONS", "DELETE", "PATCH", "TRACE", "PUT", "get", "FOO", "POST")
        )
        target = random.choice(targets)
        scene.ask("OPTIONS" if target == "*" else method, target, token=random.random() < 0.8)


def cors(scene: HttpScene) -> None:
    """Requests from other origins and for other hosts, and CORS preflight requests."""
    random = scene.random
    origins = (
        "https://shop.example",
        "http://localhost:3000",
        "https://other.example",
        "null",
        "",
        "https://SHOP.example",
    )
    for _ in range(random.choice((1, 2))):
        headers = [f"Origin: {random.choice(origins)}"]
        if random.random() < 0.5:
            headers.append(f"Access-Control-Request-Method: {random.choice(('GET', 'PUT', 'FOO', ''))}")
        if random.random() < 0.3:
            names = random.choice(("authorization", "x-own, content-type", ""))
            headers.append(f"Access-Control-Request-Headers: {names}")
        if random.random() < 0.3:
            headers.append(f"Sec-Fetch-Site: {random.choice(('same-origin', 'cross-site', 'none'))}")
        if random.random() < 0.2:
            headers.append(f"Host: {random.choice(('other.example', '[::1]:80', 'a.localhost', ''))}")
        method = random.choice(("OPTIONS", "OPTIONS", "GET", "HEAD", "DELETE"))
        scene.ask(
            method,
            random.choice(("/item/1", "/missing", "/page", "/count?to=2", "/m/item/1")),
            headers,
            token=random.random() < 0.5,
        )


def key(scene: HttpScene) -> None:
    """Repeated requests with an idempotency key."""
    random = scene.random
    name = random.choice((f"{scene.gate}k", f"{scene.gate}k", "", "k" * 256, "\xe4"))
    target = random.choice(
        (f"/tally/{scene.gate}", "/created", "/fail/now", "/count", "/m/created", "/order", "/missing")
    )
    for _ in range(random.choice((2, 3))):
        data = random.choice(
            ({"name": "Conflict", "price": 1}, {"name": "Conflict", "price": 1}, {"name": "other"})
        )
        method = random.choice(("POST", "POST", "POST", "PUT", "GET"))
        scene.ask(method, target, [JSON, f"Idempotency-Key: {name}"], json.dumps(data).encode())
        scene.answered()


def gate(scene: HttpScene) -> None:
    """A request that waits, and others after it."""
    random = scene.random
    way = random.choice(("", "/shielded", "/stubborn", "/thread"))
    page = random.random() < 0.25
    where = "" if page else random.choice(("", "", "/m"))
    scene.ask("GET", f"/page/late/{scene.gate}" if page else f"{where}/gate/{scene.gate}{way}", named=True)
    if random.random() < 0.6:
        requests(scene)
    scene.answer("GET", f"{where}/gate/{scene.gate}/started") if way != "/thread" else None
    scene.answer("POST", f"{where}/gate/{scene.gate}/open")
    scene.answered()


def deadline(scene: HttpScene) -> None:
    """Requests whose deadline is before the end of their actions."""
    random = scene.random
    way = random.choice(("", "/shielded", "/stubborn", "/another"))
    target = random.choice(
        (
            f"/gate/{scene.gate}{way}",
            f"/gate/{scene.gate}{way}",
            f"/feed/{scene.gate}",
            f"/m/gate/{scene.gate}",
        )
    )
    scene.ask(
        "GET", target, [f"X-Request-Timeout: {random.choice(('0.05', '.02', '0.000000001'))}"], named=True
    )
    scene.answered()
    if random.random() < 0.5:
        scene.ask("GET", "/item/1")


def pages(scene: HttpScene) -> None:
    """Klein routes, and the pages of the framework."""
    random = scene.random
    targets = (
        "/page", "/page/", "/page/bytes", "/page/3", "/page/3?a=1&a=2&b", "/page/x", "/page/point",
        "/page/list", "/page/go", "/page/slash",
        "/page/slash/", "/page/slash?a=b", "/page/fail/conflict", "/page/fail/none", "/page/fail/forbidden",
        "/page/fail/method", "/page/fail/exit",
        "/page/fail/value", "/page/fail/other", "/page/pieces", "/page/under/x", "/page/under/", "/page%2F3",
        "/page/%33", "/docs", "/docs/",
        "/openapi.json", "/docs/swagger-ui.css", "/docs/none", "/docs/../docs", "//page", "/page/%ff",
        "http://localhost/page", "http://other/docs",
    )  # fmt: skip
    for _ in range(random.choice((1, 2, 4))):
        method = random.choice(("GET", "GET", "GET", "HEAD", "POST", "OPTIONS"))
        body, headers = b"", random.choice(([], [], ["Accept-Encoding: gzip"], ["Cookie: a=b"]))
        if method == "POST":
            body, headers = b"a=1&b=2&a=3", ["Content-Type: application/x-www-form-urlencoded"]
        scene.ask(method, random.choice(targets), headers, body, token=random.random() < 0.3, named=True)


def expect(scene: HttpScene) -> None:
    """A client that waits for 100 Continue."""
    random = scene.random
    scene.answered()
    body = b'{"name":"a","price":1}'
    headers = [
        "Host: localhost",
        JSON,
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        "X-Request-Id: e",
    ]
    head = "\r\n".join(["POST /address HTTP/1.1", *headers, "", ""]).encode()
    if random.random() < 0.5:
        scene.send(head + body, cut=False)
    else:
        scene.send(head, cut=False)
        scene.text(b"HTTP/1.1 100 ")
        scene.send(body, replies=0)
    scene.answered()


SCENES: Final[Sequence[tuple[Callable[[HttpScene], None], int]]] = (
    (simple, 24), (failures, 12), (conditional, 5), (encodings, 4), (methods, 6), (cors, 5), (key, 4),
    (bodies, 7),
    (queries, 3), (stream, 6), (feed, 3), (gate, 5), (deadline, 3), (pages, 8), (expect, 2),
)  # fmt: skip
