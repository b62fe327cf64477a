"""Random values, and valid and nearly valid requests to the routes of the sample application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from tests.differential.steps import NAMESPACE

__all__ = ["FAILURES", "SampleRequest", "any_request", "any_text", "any_value", "mutated"]

FAILURES: Final = (
    "BadGateway", "Cancelled", "Conflict", "DeadlineExceeded", "Forbidden", "Gone", "Invalid", "NotFound",
    "ServiceError", "Unauthorized", "MethodNotAllowed", "RateLimited", "Unavailable", "Teapot", "Odd",
    "ConfigError", "RuntimeError", "ValueError", "SystemExit", "RecursionError", "CancelledError",
    "unspeakable", "unspeakable detail", "stray result",
)  # fmt: skip
_TEXTS: Final = (
    "", "a", "Ada", "zwölf", "日本", "😀", 'quo"te', "back\\slash", "tab\there", "line\nend", "cr\r", "\x00",
    "\x7f", "\u2028", " space ", "/slash", "%41", "+plus", "a&b=c", "null", "0", "x" * 30, "'", "<b>", "{}",
    "é" * 25,
)  # fmt: skip
_NUMBERS: Final = (
    0, 1, -1, 2, 7, 99, 100, 101, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30, 1.5,
    -0.0,
    1e300, 0.1, 1e-9, 3.0,
)  # fmt: skip
_UUIDS: Final = (
    "3f2b8c1e-0d4a-4b5c-9e6f-123456789abc",
    "3F2B8C1E-0D4A-4B5C-9E6F-123456789ABC",
    "3f2b8c1e0d4a4b5c9e6f123456789abc",
)
_SEGMENTS: Final = (
    "1", "0", "-1", "007", "+1", "1_0", "1.5", ".5", "1e3", "1e999", "-0", "1.", "999999999999999999",
    "9999999999999999999", "٣", "", "a", "a.b", "..", ".", "a%20b", "%41", "%2F", "%2f%2e", "%C3%A4", "%ff",
    "%zz", "%",
    "a+b", "a:b", "ä", "fixed", "more", "x" * 200, *_UUIDS,
)  # fmt: skip


class SampleRequest(Struct, frozen=True):
    """A request, for any transport.

    :ivar path: with escapes.
    :ivar query: names and values, without escapes.
    :ivar data: the arguments as an object; None if there are none.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    data: dict[str, Any] | None = None

    @property
    def target(self) -> str:
        """The path with its query."""
        text = "&".join(f"{quote(name)}={quote(value)}" for name, value in self.query)
        return f"{self.path}?{text}" if text else self.path


def any_text(random: Random) -> str:
    """A random text."""
    return random.choice(_TEXTS)


def any_value(random: Random, depth: int = 2) -> Any:
    """A random JSON value."""
    kind = random.randrange(9 if depth else 6)
    if kind < 2:
        return any_text(random)
    if kind < 4:
        return random.choice(_NUMBERS)
    if kind == 4:
        return random.choice((True, False))
    if kind == 5:
        return None
    if kind == 6:
        return [any_value(random, depth - 1) for _ in range(random.randrange(4))]
    return {any_text(random): any_value(random, depth - 1) for _ in range(random.randrange(4))}


def mutated(random: Random, data: dict[str, Any]) -> dict[str, Any]:
    """The data with a field that is removed, added, or changed."""
    changed = dict(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice([*changed, "unknown"])
        match random.randrange(4):
            case 0:
                changed.pop(name, None)
            case 1 if isinstance(changed.get(name), dict):
                changed[name] = mutated(random, changed[name])
            case 1 if isinstance(changed.get(name), list) and changed[name]:
                items = list(changed[name])
                at = random.randrange(len(items))
                items[at] = mutated(random, items[at]) if isinstance(items[at], dict) else any_value(random)
                changed[name] = items
            case _:
                changed[name] = any_value(random)
    return changed


def _segment(random: Random) -> str:
    return random.choice(_SEGMENTS)


def _item(random: Random) -> SampleRequest:
    return SampleRequest("GET", f"/item/{random.choice((0, 1, 7, 99, 100, 12345, _segment(random)))}")


def _kind(random: Random) -> SampleRequest:
    kind = random.choice(("int", "float", "uuid", "str", "path"))
    tail = "/".join(_segment(random) for _ in range(random.choice((1, 1, 1, 2, 3))))
    return SampleRequest("GET", f"/kinds/{kind}/{tail}")


def _either(random: Random) -> SampleRequest:
    tail = random.choice(("", "", "/more", "/", "/less"))
    return SampleRequest(random.choice(("GET", "GET", "GET", "POST")), f"/either/{_segment(random)}{tail}")


def _refined(random: Random) -> SampleRequest:
    return SampleRequest(
        "GET", f"/refined/{random.choice((0, 1, 9, 10, 'x'))}/{random.choice(('a', 'abc', 'abcd', '%C3%A4'))}"
    )


_SEARCHES: Final[dict[str, tuple[Any, ...]]] = {
    "limit": (1, 100, 0, 101, "x", 2.5, None), "tags": ([], ["a"], ["a", ""], "a", [1]),
    "ratio": (0.5, 2, "nan", "inf", -1e300), "exact": (True, False, "yes", 1, 0), "kind": ("a", "b", "c", 1),
    "word": (None, "w", "", "日本"), "numbers": ([1], [1, 2, 3], [1, 2, 3, 4], ["1"], ["x"]), "unknown": (1,
    "x"),
}  # fmt: skip


def _search(random: Random) -> SampleRequest:
    names = random.sample(sorted(_SEARCHES), random.randrange(4))
    chosen = {name: random.choice(_SEARCHES[name]) for name in names}
    if random.random() < 0.5:
        return SampleRequest("GET", "/search", data=chosen)
    query: list[tuple[str, str]] = []
    for name, value in chosen.items():
        for each in value if isinstance(value, list) else [value]:
            query.append(
                (
                    name,
                    {True: "true", False: "false"}.get(each, str(each))
                    if isinstance(each, bool)
                    else str(each),
                )
            )
    return SampleRequest("GET", "/search", tuple(query), random.choice((None, None, {}, {"limit": 3})))


def _order(random: Random) -> SampleRequest:
    order: dict[str, Any] = {"name": "pens", "price": 1.5}
    more: dict[str, Callable[[], Any]] = {
        "lines": lambda: [
            {"article": "AB1", "count": random.choice((1, 2, 4, 100))} for _ in range(random.randrange(6))
        ],
        "address": lambda: random.choice(
            (None, {"street": "Main", "zip": "123"}, {"street": "x", "zip": "1", "more": 1})
        ),
        "tags": lambda: random.choice(([], ["a"], ["a", "a"])),
        "day": lambda: random.choice((None, "2024-02-29", "2023-02-29", "today")),
        "more": lambda: random.choice(({}, {"a": 1}, {"a": "x"}, {"": 0})),
        "weight": lambda: random.choice((1, "heavy", 1.5, None)),
    }
    for name in random.sample(sorted(more), random.randrange(4)):
        order[name] = more[name]()
    return SampleRequest("POST", "/order", data=order if random.random() < 0.5 else mutated(random, order))


def _address(random: Random) -> SampleRequest:
    address = {"street": random.choice(("Main", "x", "S" * 21)), "zip": "12"}
    return SampleRequest(
        "POST", "/address", data=mutated(random, address) if random.random() < 0.4 else address
    )


def _echo(random: Random) -> SampleRequest:
    method = random.choice(("POST", "PUT", "PUT", "PATCH"))
    return SampleRequest(
        method, "/echo", data={"value": any_value(random)} if random.random() < 0.9 else None
    )


def _created(random: Random) -> SampleRequest:
    data = {"name": any_text(random), "empty": random.random() < 0.2}
    return SampleRequest("POST", "/created", data=data if random.random() < 0.9 else None)


def _plain(random: Random) -> SampleRequest:
    path = random.choice(
        ("/", "/nothing", "/raw", "/slow", "/contained", "/own", "/alone/3", "", "/missing", "//", "/item")
    )
    method = random.choice(
        ("GET", "GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE", "get", "PROPFIND")
    )
    data = random.choice((None, None, {}, {"value": 4}, {"right": 5}, {"name": "c"}))
    return SampleRequest(method, path or "/", data=data)


def _thing(random: Random) -> SampleRequest:
    method = random.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post", "X"))
    return SampleRequest(
        method, f"/thing/{random.choice(('1', '-7', 'x'))}", data=random.choice((None, {"method": method}))
    )


def _failure(random: Random) -> SampleRequest:
    how = random.choice(("now", "plain", "later", "thread"))
    detail = random.choice(
        (None, "words", {"a": [1]}, [{"field": "x", "message": "is wrong"}], 1.5, ["a", "b"], "", 0)
    )
    data = {"name": random.choice(FAILURES), "detail": detail}
    if random.random() < 0.04:
        return SampleRequest("GET", "/fail/broken")
    return SampleRequest("POST", f"/fail/{how}", data=data)


def _meta(random: Random) -> SampleRequest:
    query = random.choice(((), (("a", "1"), ("b", "ä")), (("a", ""),)))
    return SampleRequest(random.choice(("GET", "POST")), "/asked", query, random.choice((None, {"x": 1})))


def _large(random: Random) -> SampleRequest:
    return SampleRequest("GET", f"/large/{random.choice((0, 10, 1022, 1023, 1024, 5000, 70_000, 200_000))}")


def _counts(random: Random) -> SampleRequest:
    return SampleRequest(random.choice(("GET", "POST")), f"/tally/{NAMESPACE}{random.choice('ab')}")


def _reserved(random: Random) -> SampleRequest:
    path = random.choice(
        ("/-/ping", "/-/health", "/-/routes", "/-/", "/-", "/-/none", "/-/ping/", "/%2D/ping")
    )
    return SampleRequest(random.choice(("GET", "GET", "GET", "POST", "HEAD")), path)


_MAKERS: Final[Sequence[tuple[Callable[[Random], SampleRequest], int]]] = (
    (_item, 4), (_kind, 4), (_either, 3), (_refined, 2), (_search, 6), (_order, 6), (_address, 2), (_echo,
    4), (_created, 3),
    (_plain, 5), (_thing, 4), (_failure, 8), (_meta, 2), (_large, 1), (_counts, 2), (_reserved, 2),
)  # fmt: skip


def any_request(random: Random) -> SampleRequest:
    """A request that does not wait for others."""
    make = random.choices([each for each, _ in _MAKERS], [weight for _, weight in _MAKERS])[0]
    return make(random)
