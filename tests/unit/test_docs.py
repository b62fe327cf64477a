"""The reference is complete: every setting, every command and option, every public name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

import unixsvc as unixsvc_package
from unixsvc import errors
from unixsvc.cli.command import unixsvc
from unixsvc.config.control import ControlAccess
from unixsvc.config.dashboard import Dashboard
from unixsvc.config.hooks import EVENTS, Hook
from unixsvc.config.http import Cors, Http, StaticFolder, WebSockets
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.config.nats import Nats
from unixsvc.config.settings import (
    Limits,
    Log,
    NamedToken,
    ResourceLimits,
    Security,
    ServiceSettings,
    Settings,
)
from unixsvc.config.tracing import Tracing
from unixsvc.tap import Options
from unixsvc.wire.messages import ClientMessage, ServerMessage

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGE = DOCS / "reference" / "configuration.rst"

# Words of the field, for things that have had others here.
WORDS = (
    "back-off", "backlog", "backpressure", "broken pipe", "circuit breaker", "connection pool", "cookie",
    "cors preflight", "csrf", "deadline", "dependency injection", "event loop", "file descriptor",
    "file upload", "flow control", "graceful shutdown", "health check", "hot reload", "idempotency key",
    "jitter", "jwt", "keep-alive", "liveness", "load balancing", "middleware", "mtls", "multipart",
    "multiplexing", "password hash", "pipelining", "rate limit", "readiness", "request smuggling",
    "retry budget", "rolling restart", "server-sent events", "service discovery", "socket activation",
    "thread pool", "watchdog", "websocket close code", "zero downtime",
)  # fmt: skip

_SECTION = re.compile(r"^(?P<title>\S.*)\n-+$", re.MULTILINE)
_ROW = re.compile(r"^   \* - ``(?P<key>\w+)``\n     - (?P<default>.*)$", re.MULTILINE)


def rows_of(title: str) -> dict[str, str]:
    """The keys of a section's table, with their defaults as they stand there."""
    text = PAGE.read_text("utf-8")
    starts = {found["title"]: found.end() for found in _SECTION.finditer(text)}
    begin = starts[title]
    end = min((found.start() for found in _SECTION.finditer(text, begin)), default=len(text))
    return {row["key"]: row["default"] for row in _ROW.finditer(text, begin, end)}


def defaults_of(kind: type[Struct]) -> dict[str, Any]:
    """The keys of a table, with their defaults."""
    return {each.encode_name: _default_of(each) for each in msgspec.structs.fields(kind)}


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return "required"
    made = field.default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT
    default = field.default_factory() if made else field.default
    if isinstance(default, Struct):
        return {key: value for key, value in msgspec.structs.asdict(default).items() if value is not None}
    return list(default) if isinstance(default, tuple) else default


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class ConfigurationPage(SynchronousTestCase):
    def assertDescribed(self, title: str, expected: dict[str, Any]) -> None:
        """The section names these keys, no others, with these defaults."""
        rows = rows_of(title)
        self.assertEqual(sorted(rows), sorted(expected))
        for key, text in rows.items():
            quoted = re.fullmatch("``(.*)``", text)
            value = tomllib.loads(f"value = {quoted[1]}")["value"] if quoted else text
            self.assertEqual(value, expected[key], key)

    def test_limits(self) -> None:
        """Each limit is described, with its default."""
        self.assertDescribed("``[limits]``", defaults_of(Limits))

    def test_security(self) -> None:
        """Each key of ``[security]`` is described, with its default."""
        self.assertDescribed("``[security]``", defaults_of(Security))

    def test_tokens(self) -> None:
        """Each key of a named token is described."""
        keys = {"sha256": "required", "services": "required", "routes": []}
        self.assertEqual(list(keys), list(NamedToken.__struct_fields__))
        self.assertDescribed("``[tokens.NAME]``", keys)

    def test_log(self) -> None:
        """Each key of ``[log]`` is described, with its default."""
        self.assertDescribed("``[log]``", defaults_of(Log))

    def test_nats(self) -> None:
        """Each key of ``[nats]`` is described, with its default."""
        self.assertDescribed("``[nats]``", defaults_of(Nats))

    def test_tracing(self) -> None:
        """Each key of ``[tracing]`` is described, with its default."""
        self.assertDescribed("``[tracing]``", defaults_of(Tracing))

    def test_hooks(self) -> None:
        """Each key of ``[[hooks]]`` is described, with its default."""
        self.assertDescribed("``[[hooks]]``", defaults_of(Hook))

    def test_events(self) -> None:
        """Each kind of event is described, as the configuration knows it."""
        text = " ".join((DOCS / "how-to" / "events.rst").read_text("utf-8").split())
        for kind, meaning in EVENTS.items():
            self.assertIn(f"* - ``{kind}`` - {meaning[:1].upper()}{meaning[1:]}", text)

    def test_http(self) -> None:
        """Each key of ``[http]`` and of the tables in it is described, with its default."""
        tables = ("cors", "static", "websocket")
        own = {key: value for key, value in defaults_of(Http).items() if key not in tables}
        self.assertDescribed("``[http]``", own)
        self.assertDescribed("``[http.cors]``", {k: _plain(v) for k, v in defaults_of(Cors).items()})
        self.assertDescribed('``[http.static."/PREFIX"]``', defaults_of(StaticFolder))
        self.assertDescribed("``[http.websocket]``", defaults_of(WebSockets))

    def test_services(self) -> None:
        """Each key of a service is described, except the limits, which are the general ones."""
        own = {
            key: value
            for key, value in defaults_of(ServiceSettings).items()
            if key not in defaults_of(Limits)
        }
        self.assertDescribed("``[services.NAME]``", own)

    def test_control(self) -> None:
        """Each key of ``[control]`` is described."""
        self.assertDescribed("``[control]``", defaults_of(ControlAccess))

    def test_dashboard(self) -> None:
        """Each key of ``[dashboard]`` is described."""
        self.assertDescribed("``[dashboard]``", defaults_of(Dashboard))

    def test_metrics(self) -> None:
        """Each key of ``[metrics]`` is described, with its default."""
        self.assertDescribed("``[metrics]``", defaults_of(MetricsEndpoint))

    def test_resource_limits(self) -> None:
        """Each key of a service's ``rlimits`` is named."""
        for key in ResourceLimits.__struct_fields__:
            self.assertIn(f"``{key}``", PAGE.read_text("utf-8"))

    def test_top(self) -> None:
        """So is each key outside of the tables."""
        tables = {
            "limits",
            "security",
            "services",
            "gateways",
            "log",
            "control",
            "dashboard",
            "tokens",
            "access",
            "tracing",
            "nats",
            "hooks",
            "metrics",
        }
        derived = {"source", "folder", "files"}  # not written, but known from where the files are
        self.assertEqual(set(rows_of("Top-level keys")), set(Settings.__struct_fields__) - tables - derived)


class CommandLinePage(SynchronousTestCase):
    """The page on the command line names every command and option."""

    def setUp(self) -> None:
        """Read the page."""
        self.text = (DOCS / "reference" / "command-line.rst").read_text("utf-8")

    def test_commands(self) -> None:
        """Each command has a section, in which each of its options is described."""
        for name, command in unixsvc.commands.items():
            words = f"unixsvc {name}"
            start = self.text.find(f"``{words}")
            self.assertGreater(start, 0, words)
            for parameter in command.params:
                if parameter.name in ("config", "socket_dir") or not isinstance(parameter, click.Option):
                    continue
                for option in parameter.opts:
                    self.assertIn(f"``{option}", self.text[start:], f"{words} {option}")

    def test_options_of_all(self) -> None:
        """The options of the command itself are described."""
        for parameter in unixsvc.params:
            for option in parameter.opts:
                self.assertIn(f"``{option}", self.text, option)
        self.assertIn("``unixsvc --version``", self.text)

    def test_twistd(self) -> None:
        """Each option of ``twistd unixsvc`` is described."""
        options = Options()
        names = {name.rstrip("=") for name in options.longOpt}
        for name in names - {"version", "help", "twistd.pid"}:
            self.assertIn(f"``--{name}", self.text, name)


class ProtocolPage(SynchronousTestCase):
    def test_fields(self) -> None:
        """Each field of a message is described: of requests in the table, of replies in the text."""
        text = (DOCS / "reference" / "protocol.rst").read_text("utf-8")
        for field in ClientMessage.__struct_fields__:
            self.assertRegex(text, rf"(?m)^``{field}`` ", field)
        for field in ServerMessage.__struct_fields__:
            self.assertTrue(f"``{field}``" in text or f'"{field}"' in text, field)


class ErrorsPage(SynchronousTestCase):
    def test_classes(self) -> None:
        """Each error is on the page, with its code and its message."""
        text = (DOCS / "reference" / "errors.rst").read_text("utf-8")
        for name in errors.__all__:
            error = getattr(errors, name)
            if isinstance(error, type) and issubclass(error, errors.ServiceError):
                self.assertIn(f"``{name}``", text)
                self.assertIn(error.message, text)
                self.assertIn(f"   * - {error.code}\n", text)


class ApiPage(SynchronousTestCase):
    def test_names(self) -> None:
        """Each public name of the package is on the page of the API."""
        text = (DOCS / "reference" / "api.rst").read_text("utf-8")
        for name in unixsvc_package.__all__:
            self.assertTrue(f"unixsvc.{name}\n" in text or f"``{name}``" in text, name)


class ReadmeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Read it."""
        self.text = (ROOT / "README.md").read_text("utf-8")

    def test_length(self) -> None:
        """It can be read at once."""
        self.assertLessEqual(len(self.text.splitlines()), 200)

    def test_links(self) -> None:
        """What it links to is there."""
        links = re.findall(r"\]\(([^)#:]+)\)", self.text)
        self.assertGreater(len(links), 5)
        for link in links:
            self.assertTrue((ROOT / link).is_file(), link)


class ArchitecturePage(SynchronousTestCase):
    def test_packages(self) -> None:
        """Each package is in the table of packages, and each name in it is a package or a module."""
        text = (DOCS / "explanation" / "architecture.rst").read_text("utf-8")
        named = set(re.findall(r"^``([a-z_.]+)``", text, re.MULTILINE))
        package = Path(unixsvc_package.__file__).parent
        packages = {each.parent.name for each in package.glob("*/__init__.py")}
        self.assertEqual(packages - named, set())
        for name in named:
            path = package.joinpath(*name.split("."))
            self.assertTrue(path.is_dir() or path.with_suffix(".py").is_file(), name)


class PagesTests(SynchronousTestCase):
    def test_paths(self) -> None:
        """Files of the project that pages name are there, and so are test modules."""
        found: set[str] = set()
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.rst")]:
            text = page.read_text("utf-8")
            if page.parent.name == "tutorial":  # whose files are those of another project
                text = "".join(re.findall(r"\.\. not-run:.*", text))
            found.update(
                re.findall(r"\b(?:tests|deploy|docs)/[a-z0-9_/-]+\.(?:py|rst|service|socket)\b", text)
            )
            modules = re.findall(r"\btests\.functional\.test_[a-z_]+", text)
            found.update(f"{each.replace('.', '/')}.py" for each in modules)
        self.assertGreater(len(found), 10)
        for path in found:
            self.assertTrue((ROOT / path).is_file(), path)

    def test_indexes(self) -> None:
        """Every page is listed on the index page of its folder."""
        for page in DOCS.glob("*/*.rst"):
            listed = page.with_name("index.rst").read_text("utf-8").splitlines()
            self.assertTrue(page.stem == "index" or f"   {page.stem}" in listed, page)

    def test_words(self) -> None:
        """Frequent search terms occur in the pages."""
        text = " ".join(
            re.sub(r"\s+", " ", page.read_text("utf-8")).lower() for page in [*DOCS.rglob("*.rst")]
        )
        for words in WORDS:
            self.assertIn(words, text)

    def test_blocks(self) -> None:
        """Every literal block has a language, so that it is executed or says why it is not."""
        for page in DOCS.rglob("*.rst"):
            for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
                if line.endswith("::") and not line.lstrip().startswith(".. "):
                    self.fail(f"{page}:{number}: {line}")
