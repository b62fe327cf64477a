"""Valid and invalid command lines of ``unixsvc`` and ``twistd unixsvc``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from msgspec import Struct

from tests.differential.generate.cli.files import CONFIGURATIONS
from tests.differential.generate.values import any_request

__all__ = ["Command", "commands"]


class Command(Struct, frozen=True):
    """One command.

    :ivar arguments: behind ``unixsvc``, or behind ``twistd -n unixsvc`` if it is ``twistd``.
    :ivar output: what its output is: ``data`` that must be equal; ``json`` with texts in it, ``text`` for
        people, ``help``, a Python ``module``, a ``table`` of routes, ``figures``, or a ``log``, which is not
        compared.
    :ivar stdin: its standard input.
    :ivar terminal: whether its output is a terminal.
    :ivar closed: ``closed`` if its output is closed, ``pipe`` if that happens while it writes.
    :ivar interrupted: whether it is interrupted, as by Ctrl-C, when it has written a line.
    :ivar environment: variables besides.
    :ivar folder: the instance in whose folder it is run.
    """

    arguments: tuple[str, ...]
    output: str = "data"
    twistd: bool = False
    stdin: bytes = b""
    terminal: bool = False
    closed: str = ""
    interrupted: bool = False
    environment: Mapping[str, str] = {}
    folder: str = "required"

    def __str__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self.environment.items()]
        words += ["twistd unixsvc" if self.twistd else "unixsvc", *map(repr, self.arguments)]
        return " ".join(words)


_NAMES: Final = (
    "call", "check", "ls", "routes", "status", "stub", "token", "reload", "restart", "start", "stop",
    "scale", "log-level",
)  # fmt: skip


def commands(seed: int, calls: int) -> list[Command]:
    """All commands, in their order.

    :param calls: the number of calls with random requests.
    """
    random = Random(seed)  # noqa: S311  # the same each time
    return [
        *_help(),
        *_usage(),
        *_calls(),
        *(_any_call(random) for _ in range(calls)),
        *_display_commands(),
        *_checks(),
        *_managed(),
        *_twistd(),
    ]


def _line(*arguments: str, **options: Any) -> Command:
    return Command(arguments, **options)


def _help() -> list[Command]:
    found = [
        _line(output="help"),
        _line("--help", output="help"),
        _line("-h", output="help"),
        _line("token", "show", "--help", output="help"),
    ]
    found += [_line(name, "--help", output="help") for name in _NAMES]
    return [
        *found,
        _line("--version", output="data"),
        _line("token", output="help"),
        _line("call", "--help", output="help", terminal=True),
    ]


def _usage() -> list[Command]:
    wrong_ones: Sequence[Sequence[str]] = (
        ("absent",), ("--absent",), ("call",), ("call", "main"), ("call", "main", "item"), ("call", "main",
        "GET"), ("call", "main", "G-T", "/"),
        ("call", "main", "/", "novalue"), ("call", "main", "/", "a:={"), ("call", "main", "/",
        "a:=@missing.json"), ("call", "main", "/", "=x"),
        ("call", "main", "/", "a=@binary.bin"), ("call", "main", "/", "--data", "[]"), ("call", "main", "/",
        "--data", "{"), ("call", "main", "/", "--data", "{}", "a=1"),
        ("call", "main", "/", "--data", "@missing.json"), ("call", "main", "/", "--timeout", "0"), ("call",
        "main", "/", "--timeout", "x"),
        ("call", "main", "/", "--timeout", "nan"), ("call", "main", "/", "--absent"), ("call", "absent",
        "/"), ("call", "Main", "/"), ("call", "../main", "/"),
        ("routes",), ("routes", "absent"), ("routes", "main", "more"), ("stub", "absent"), ("stub", "main",
        "--class", "1x"), ("stub", "main", "--class", "Struct"),
        ("scale", "main"), ("scale", "main", "0"), ("scale", "main", "x"), ("scale", "absent", "2"),
        ("log-level", "loud"), ("reload", "absent"), ("token", "absent"),
        ("ls", "--socket-dir", "absent"), ("ls", "--config", "absent.toml"), ("call", "main", "/",
        "--config", "wrong/unknown.toml"), ("ls", "--socket-dir", "wrong"),
        ("call", "main", "/", "--socket-dir", "wrong"), ("token", "show", "--config", "wrong/good.toml"),
        ("status", "--socket-dir", "wrong"), ("ls", "more"),
    )  # fmt: skip
    return [Command(tuple(each)) for each in wrong_ones]


def _calls() -> list[Command]:
    right: Sequence[Sequence[str]] = (
        ("main", "/"), ("main", "get", "/item/3"), ("main", "/item/100"), ("main", "/missing"), ("main",
        "PUT", "/item/3"), ("main", "PUT", "/echo", "value=x"),
        ("main", "PUT", "/echo", "value:=@item.json"), ("main", "PUT", "/echo", "value=@text.txt"), ("main",
        "PUT", "/echo", 'value:="@a"'),
        ("main", "PUT", "/echo", "value:=[1, 2.50, 1e3]"), ("main", "PUT", "/echo", "--data", "@item.json"),
        ("main", "PUT", "/echo", "value:=\x7f"),
        ("main", "PUT", "/echo", "value=\x9b1m"), ("main", "/search", "limit:=3", "tags:=[]"), ("main",
        "GET", "/search", "limit:=0", "kind=c"),
        ("main", "/search?limit=200"), ("main", "/order", "name=x"), ("main", "/order", "name=", "price:=0",
        "lines:=[{}]"), ("main", "/nothing"),
        ("main", "/count", "to:=3"), ("main", "GET", "/count", "to:=3"), ("main", "GET", "/count", "to:=3",
        "--stream"), ("main", "/count?to=0", "--stream"),
        ("main", "/stream/fail?after=2"), ("main", "/stream/raw"),
        ("main", "/created", "name=ä"), ("main", "/large/100"), ("main", "/raw"), ("front", "/m/item/3"),
        ("front", "/via", "path=/item/200"),
        ("main", "/tally/cli", "--idempotency-key", "a", "--data", "{}"), ("main", "POST", "/tally/cli",
        "--idempotency-key", "a"),
        ("main", "POST", "/tally/cli", "--idempotency-key", "a", "x=1"), ("main", "POST", "/tally/cli",
        "--idempotency-key", ""), ("main", "/-/ping"),
        ("main", "/-/health"), ("orchestrator", "/services"), ("main", "/", "--timeout", "5"), ("tight",
        "/item/1"), ("main", "/fail/broken"),
        ("main", "/asked?a=1"), ("main", "/either/a%20b"), ("main", "/kinds/path/a/b"), ("main",
        "/large/2000000"), ("main", "/thing/1"),
    )  # fmt: skip
    found = [_line("call", *each) for each in right]
    failures = (
        "Conflict",
        "Forbidden",
        "RateLimited",
        "Unavailable",
        "Teapot",
        "Odd",
        "RuntimeError",
        "BadGateway",
        "MethodNotAllowed",
        "Invalid",
    )
    found += [_line("call", "main", "/fail/now", f"name={name}", "detail:=[1]") for name in failures]
    return [
        *found,
        _line("call", "main", "PUT", "/echo", "--data", "-", stdin=b'{"value":\n 1}'), _line("call", "main",
        "PUT", "/echo", "--data", "-", stdin=b"x"),
        _line("call", "main", "/", folder="private"), _line("call", "main", "/", folder="off"), _line("call",
        "main", "/", folder="shut"),
        _line("call", "main", "/search", "tags:=[\"a\"]", terminal=True), _line("call", "main", "/nothing",
        terminal=True), _line("call", "main", "/missing", terminal=True),
        _line("call", "main", "/large/3000000", closed="pipe"), _line("call", "main", "/", closed="closed"),
        _line("ls", closed="closed"),
        _line("call", "main", "/feed/cli2/push", "items:=[1]"), _line("call", "main", "/feed/cli2",
        "--stream", interrupted=True),
        _line("--config", "unixsvc.toml", "call", "main", "/"), _line("call", "main", "/", "--socket-dir",
        "run"), _line("call", "--socket-dir", "../private/run", "main", "/"),
    ]  # fmt: skip


def _any_call(random: Random) -> Command:
    sample = any_request(random)
    words = ["call", "main"]
    if sample.method != "GET" or random.random() < 0.5:
        words.append(sample.method)
    words.append(sample.target)
    if sample.data is not None:
        if random.random() < 0.3:
            words += ["--data", json.dumps(sample.data, ensure_ascii=random.random() < 0.5)]
        else:
            words += [_item(name, value) for name, value in sample.data.items()]
    if random.random() < 0.1:
        words += ["--timeout", random.choice(("5", "1e2", "0.000001"))]
    return Command(tuple(word.replace("\0", "") for word in words), terminal=random.random() < 0.1)


def _item(name: str, value: Any) -> str:
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value)}"


def _display_commands() -> list[Command]:
    found = [
        _line("ls"),
        _line("ls", folder="private"),
        _line("ls", terminal=True),
        _line("token", "show"),
        _line("token", "show", folder="off"),
    ]
    for name in ("main", "front", "http", "orchestrator"):
        found += [
            _line("routes", name, output="table"),
            _line("routes", name, "--json", output="json"),
            _line("stub", name, output="module"),
        ]
    found += [
        _line("routes", "front", output="text", terminal=True), _line("routes", "front", "--json",
        output="json", terminal=True),
        _line("stub", "main", "--class", "Mine", output="module"), _line("status", output="figures"),
        _line("status", "--json", output="figures"),
        _line("status", output="figures", terminal=True), _line("call", "main", "/-/stats",
        output="figures"), _line("call", "hasty", "/-/routes", output="json"),
    ]  # fmt: skip
    words_typed = (
        "unixsvc ", "unixsvc ca", "unixsvc call ", "unixsvc call m", "unixsvc call main ",
        "unixsvc call main GET /i",
        "unixsvc call main /", "unixsvc call absent ", "unixsvc routes ", "unixsvc call --",
        "unixsvc log-level ",
    )  # fmt: skip
    for words in words_typed:
        number = words.count(" ")
        environment = {"_UNIXSVC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        found.append(Command((), environment=environment, output="data"))
    shells = ("bash_source", "zsh_source", "fish_source")
    return [*found, *(Command((), environment={"_UNIXSVC_COMPLETE": each}) for each in shells)]


def _checks() -> list[Command]:
    found = [
        _line("check", output="text"),
        _line("check", output="text", folder="private"),
        _line("check", "absent.toml", output="text"),
    ]
    return [*found, *(_line("check", f"wrong/{name}.toml", output="text") for name in CONFIGURATIONS)]


def _managed() -> list[Command]:
    found = [_line(*each.split(), output="text") for each in (
        "scale spare 2", "scale spare 1", "stop spare", "stop spare", "ls", "call spare /", "scale spare 2",
        "start spare", "start spare", "call spare /item/1",
        "restart spare", "reload spare", "log-level debug", "log-level info", "call spare /",
    )]  # fmt: skip
    return [
        *found,
        _line("reload", folder="private", output="text"),
        _line("stop", folder="off", output="text"),
        _line("call", "main", "/", folder="off"),
    ]


_NEVER_STARTED: Final = ("unknown", "no_toml", "circle", "listen", "mount", "cors_star")


def _twistd() -> list[Command]:
    found = [Command(each, twistd=True, output="log") for each in (
        ("--absent",), ("more",), ("--log-format", "xml"), ("--config", "absent.toml"), ("--http", "udp:1"),
        ("--http", "tcp:0", "--absent"), ("--config",),
        ("--socket-dir", "x" * 120, "--no-http"), ("--no-http",), ("--config", "wrong/good.toml",
        "--socket-dir", "text.txt"),
        ("--config", "wrong/handler.toml", "--socket-dir", "run2"), ("--config", "wrong/raises.toml",
        "--socket-dir", "run3"), ("--config", "wrong/user.toml", "--socket-dir", "run4"),
        *(("--config", f"wrong/{name}.toml") for name in _NEVER_STARTED),
    )]  # fmt: skip
    return [Command(("--help",), twistd=True, output="help"), *found]
