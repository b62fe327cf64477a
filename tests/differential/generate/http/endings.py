"""The last scene of a conversation over HTTP, which ends the connection from either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.differential.generate.http.requests import HttpScene, head_of
from tests.differential.generate.socket.drafts import TOKEN
from tests.unit.rest.abuse import HEADS, Abuse, bodies

__all__ = ["ABUSE", "ENDINGS", "late"]

MAX_BODY: Final = 65_536
"""The largest body that is taken, as in the configuration."""
MAX_HEAD: Final = {"required/http": 16_384, "required/web": 16_384, "private/http": 16_384, "off/http": 4096}
"""The longest head, likewise."""
ABUSE: Final[Sequence[Abuse]] = (*HEADS, *bodies(MAX_HEAD["required/http"], MAX_BODY))
_REST: Final = ["Host: localhost", f"Authorization: Bearer {TOKEN}"]


def nothing(scene: HttpScene) -> None:
    """The client sends no further request."""
    scene.answered()


def abuse(scene: HttpScene) -> None:
    """A malformed request after valid ones."""
    each = scene.random.choice(ABUSE)
    # In one packet, as some are only malformed if bytes follow.
    scene.send(each.sent + head_of("GET", "/item/1", _REST), cut=False)
    scene.closed()


def last(scene: HttpScene) -> None:
    """A request after which the server closes; later requests are not served."""
    random = scene.random
    how = random.choice((["Connection: close"], ["Connection: keep-alive, close"], ["Connection: Close"]))
    target = random.choice(
        ("/item/1", "/page", "/count?to=3", "/missing", "/nothing", "/large/70000", "/order")
    )
    scene.ask(random.choice(("GET", "GET", "HEAD", "POST")), target, how)
    if random.random() < 0.5:
        scene.send(head_of("GET", "/item/1", _REST), replies=0)
    scene.closed()


def old(scene: HttpScene) -> None:
    """Requests of HTTP/1.0."""
    random = scene.random
    keep = random.random() < 0.4
    for _ in range(random.choice((1, 2))):
        target = random.choice(
            (
                "/item/1",
                "/page",
                "/count?to=3",
                "/missing",
                "/nothing",
                "/stream/fail?after=1",
                "/page/pieces",
            )
        )
        headers = ["Connection: keep-alive"] if keep else []
        host = random.choice((["Host: localhost"], []))
        sent = [*host, *headers, f"Authorization: Bearer {TOKEN}", "X-Request-Id: old"]
        scene.send(head_of(random.choice(("GET", "GET", "HEAD")), target, sent, "HTTP/1.0"))
        scene.answered()
        if not keep:
            scene.closed()
            break


def broken(scene: HttpScene) -> None:
    """A stream that fails after some items: the connection ends without the last chunk."""
    random = scene.random
    target = random.choice(
        (
            "/stream/fail?after=1",
            "/stream/fail?after=2&secret=true",
            "/stream/unspeakable",
            "/stream/raw",
            "/stream/fail",
        )
    )
    scene.ask("GET", target, random.choice(([], ["Accept: application/jsonl"])), named=True)
    scene.ask("GET", "/item/1", named=True)
    scene.answered()


def too_large(scene: HttpScene) -> None:
    """A body or a head at the limit, or over it."""
    random = scene.random
    kind = random.randrange(4)
    if kind == 0:
        size = MAX_BODY + random.choice((-1, 0))
        scene.ask("POST", "/address", ["Content-Type: application/json"], b"{}" + b" " * (size - 2))
        scene.answered()
        return
    if kind == 1:
        size = MAX_BODY + random.choice((1, 100_000))
        scene.ask(
            "POST", "/address", ["Content-Type: application/json"], b" " * size, chunked=random.random() < 0.5
        )
    elif kind == 2:
        scene.ask("GET", "/" + "a" * random.choice((8000, 8300)))
        if random.random() < 0.5:
            scene.answered()
            return
    scene.ask("GET", "/item/1", ["X-Large: " + "a" * random.choice((3000, 4200, 17_000))])
    scene.answered()


def unended(scene: HttpScene) -> None:
    """The client shuts down its sending side in the middle of a request."""
    random = scene.random
    scene.answered()
    whole = head_of("POST", "/address", [*_REST, "Content-Length: 5"]) + b"{}"
    scene.send(whole[: random.randrange(1, len(whole))], replies=0)
    scene.shut()
    scene.closed()


def gone(scene: HttpScene) -> None:
    """The client disconnects while its request is pending; another one reads how the action has ended."""
    random = scene.random
    way = random.choice(("", "/shielded", "/stubborn", "/slow"))
    where = random.choice(("", "", "/m"))
    target = random.choice(
        (
            f"{where}/gate/{scene.gate}{way}",
            f"{where}/gate/{scene.gate}{way}",
            f"/page/late/{scene.gate}",
            f"{where}/feed/{scene.gate}",
        )
    )
    if target.startswith("/page"):
        way = where = ""
    elif "/feed/" in target:
        way = ""
    scene.ask("GET", target)
    scene.answer("GET", f"{where}/gate/{scene.gate}/started")
    scene.drop()
    if way == "/shielded":
        scene.answer("POST", f"{where}/gate/{scene.gate}/open")
    scene.answer("GET", f"{where}/gate/{scene.gate}/ends")
    scene.answer("POST", f"{where}/gate/{scene.gate}.clean/open")


def late(scene: HttpScene) -> None:
    """A request that is not completed in time."""
    random = scene.random
    if random.random() < 0.4:
        scene.ask("GET", "/item/1")
        scene.answered()
        scene.send(b"GET /item", replies=0)
    elif random.random() < 0.3:
        scene.send(b"", replies=0, on=2)
        scene.closed(on=2)
        return
    elif random.random() < 0.5:
        scene.send(random.choice((b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n")), replies=0)
    else:
        scene.send(
            head_of("POST", "/address", [*_REST, "Content-Length: 5", "X-Request-Id: late"]) + b"{}",
            replies=0,
        )
    scene.closed()


Endings = Sequence[tuple[Callable[[HttpScene], None], int]]
ENDINGS: Final[Endings] = (
    (nothing, 40),
    (abuse, 16),
    (last, 10),
    (old, 8),
    (too_large, 4),
    (unended, 5),
    (gone, 8),
    (broken, 4),
)
