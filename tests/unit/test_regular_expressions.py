"""No regular expression costs more than in proportion to what a peer has sent."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import unixsvc
from tests.unit.support.linear_cost import PATTERNS, LinearCostTestCase

_PACKAGE: Final = Path(unixsvc.__file__).parent
_CONFIGURED = "the configuration or the environment, not a peer"
_DECLARED = "the application's source, not a peer"
_CONTRACT = "a contract: each repetition is of one class of characters, which its successor does not match"
_DIGITS = "digits, with a point or an exponent in between: one way to match each"
_CLASS = "one repetition of one class of characters"

REASONS: Final = {
    "authentication.passwords": "the hashes of the application; each repetition ends at a $",
    "authentication.schemes.base": _DECLARED,
    "bus.subjects": _CLASS,
    "cli.call": "the command line; a lazy repetition ends at the first =",
    "cli.output": _CLASS,
    "config.dashboard_table": _CONFIGURED,
    "config.nats": _CONFIGURED,
    "cli.dev.log_printer": "the log of the own orchestrator; each of both parts takes what is left once",
    "cli.scaffold.names": "the command line; each word ends at a character that it does not match",
    "cli.token": "the command line; bounded",
    "config.checks": _CONFIGURED,
    "config.http": _CONFIGURED,
    "config.effective": _CONFIGURED,
    "config.schema": "the docstrings of this framework",
    "config.sources.damaged": _CONFIGURED,
    "config.sources.layers": _DIGITS,
    "config.sources.references": _CONFIGURED,
    "contract.describe": _DECLARED,
    "contract.names": _DECLARED,
    "datasource.service_clients": "at most 63 characters",
    "datasource.unix": "the application's mounts, not a peer",
    "domain.reply_head": _CLASS,
    "domain.results.cookies": _CLASS,
    "domain.results.events": _CLASS,
    "domain.results.redirect_target": _CLASS,
    "domain.validation.finite_numbers": "three bytes",
    "domain.validation.formats": "possessive, within the quotes of one string",
    "domain.validation.numbers": _DIGITS,
    "files.negotiation": "items between commas; each repetition is of one class, without its successor",
    "files.static_folder": _CONFIGURED,
    "limiting.rate_limit": _CONFIGURED,
    "orchestrator.systemd.activation": _CONFIGURED,
    "rest.bodies": "bounded repetitions; spaces are followed by what is no space",
    "rest.decode": "bounded repetitions",
    "rest.files.conditions": "bounded, or of one class without its successor",
    "rest.files.disposition": _CLASS,
    "rest.files.ranges": _DIGITS,
    "rest.headers.etags": _CLASS,
    "rest.headers.event_fields": _CLASS,
    "rest.headers.reply_fields": "the application's media types, of bounded length",
    "rest.headers.forwarded": "each part is of one class, without its successor",
    "rest.multipart.part_head": "each repetition is of one class; a quotation is matched from its start only",
    "rest.multipart.text_form": _CLASS,
    "rest.openapi.paths": _CONTRACT,
    "rest.openapi.schemas": _CLASS,
    "rest.server.body.chunked": "each repetition is of one class, which its successor does not match",
    "rest.server.request_head": "at most 8,192 bytes; each repetition is of one class, without its successor",
    "rest.server.refused_request": "bounded repetitions, without backtracking into each other",
    "rest.server.usual_head": "one class between two literals; a field is tried only after a line end",
    "rest.websocket.handshake": _CLASS,
    "rest.web.rules": "three digits, or the application's source",
    "routing.checks": _DECLARED,
    "routing.parameters.cookie": "spaces after a ; and then one name: each match starts at its own ;",
    "routing.parameters.header": "names that the application declares",
    "routing.pattern": _DIGITS,
    "routing.results.maker": _DECLARED,
    "schedules.duration": "bounded, at one place at a time",
    "security.token_file": "64 characters",
    "security.identity": _CONFIGURED,
    "socket_directory": "a file name",
    "stubs.methods": _CONTRACT,
    "stubs.module": _CONTRACT,
    "stubs.python_types": "only compiled, not matched",
    "stubs.text": _CONTRACT,
    "telemetry.log_record": _CLASS,
    "telemetry.logs": "at most 16,000 characters, one at a time",
    "wire.framing": "possessive: no backtracking",
    "cli.logs.command": "the command line; digits, a dot, digits",
    "cli.logs.log_file": "the log of the own orchestrator; each part ends at what it does not match",
    "cli.top.keys": "the terminal; one class, and a letter after it",
    "config.metrics_checks": _CONFIGURED,
    "config.tracing": _CONFIGURED,
    "dashboard.pages": "bounded",
    "domain.trace_context": "of fixed length, and one bounded rest",
    "telemetry.exposition.application": _CLASS,
}
"""For each module with regular expressions: what they match, or why that takes linear time."""


def uses(path: Path) -> Iterator[ast.Call]:
    """The calls of functions of ``re`` in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        ):
            yield node


@lru_cache
def modules() -> dict[str, Path]:
    """The modules with regular expressions."""
    names = {
        ".".join(path.relative_to(_PACKAGE).with_suffix("").parts): path for path in _PACKAGE.rglob("*.py")
    }
    return {name: path for name, path in names.items() if "import re\n" in path.read_text()}


def matchers(name: str, path: Path) -> Iterator[tuple[str | bytes, Any]]:
    """The regular expressions of a module, and the functions that it applies them with."""
    tree = ast.parse(path.read_text())
    module = importlib.import_module(f"unixsvc.{name}")
    scopes = [module, *(each for each in vars(module).values() if isinstance(each, type))]
    named = {
        name: each for scope in scopes for name, each in vars(scope).items() if isinstance(each, re.Pattern)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", None) or getattr(node.value, "attr", None)
            if owner in named:
                function = getattr(named[owner], node.attr)
                yield named[owner].pattern, partial(function, "") if node.attr == "sub" else function
    for call in uses(path):
        expression: Any = getattr(call.args[0], "value", None)
        method = getattr(call.func, "attr", "")
        if method != "compile" and isinstance(expression, str):
            function = getattr(re.compile(expression), method)
            yield expression, partial(function, "") if method == "sub" else function


class RegularExpressionTests(LinearCostTestCase):
    """The regular expressions of the package."""

    def test_reasons(self) -> None:
        """For each module that uses regular expressions it is stated above why their cost is linear."""
        self.assertEqual(modules().keys() - REASONS.keys(), set(), "say in REASONS why it is linear")

    def test_linear(self) -> None:
        """No expression takes more than linear time for repeated texts of a peer."""
        tried = 0
        for name, path in modules().items():
            for expression, function in matchers(name, path):
                if REASONS.get(name) in (_CONFIGURED, _DECLARED):
                    continue
                tried += 1
                for pattern in PATTERNS:

                    def match(text: str, function: Any = function, expression: Any = expression) -> None:
                        function(text.encode() if isinstance(expression, bytes) else text)

                    self.assert_linear(match, pattern, f"an input of {expression!r} in {name}")
        self.assertGreater(tried, 30)
