"""The services whose documentation page is opened, in processes of their own."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.browser import small_app
from tests.functional.orchestrator_process import OrchestratorProcess

__all__ = ["RunningService", "TryOut", "run_application", "run_demo", "run_small_app"]

_WRONG = [{"field": "price", "message": "Expected `float` > 0.0"}]


@dataclass(frozen=True)
class TryOut:
    """A request with "Try it out", and the expected response.

    :ivar method: of the operation, in capitals.
    :ivar path: of the operation, as in the document.
    :ivar code: the status code of the response.
    :ivar answer: the body of the response, or the members that are compared.
    :ivar fill: the values of parameters, by name.
    :ivar body: of the request, if any.
    """

    method: str
    path: str
    code: int
    answer: Any
    fill: dict[str, str] = dataclasses.field(default_factory=dict)
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunningService:
    """A service that is running.

    :ivar origin: scheme, host and port.
    :ivar prefixes: the paths below which the API and its pages are.
    :ivar token: the token that it accepts.
    :ivar title: of its document.
    :ivar routes: all routes, each as ``GET /path``.
    :ivar public: a request that needs no token.
    :ivar private: a request that needs it.
    :ivar invalid: a request with an invalid argument.
    :ivar field: the invalid argument.
    """

    origin: str
    prefixes: tuple[str, ...]
    token: str
    title: str
    routes: frozenset[str]
    public: TryOut
    private: TryOut
    invalid: TryOut
    field: str


_APPLICATION = """
socket_dir = "run"
[http]
app = "{name}:{attribute}"
boot_timeout = 120
listen = ["tcp:0:interface=127.0.0.1"]
"""
_METHODS = {"/user": "GET POST", "/user/{id}": "GET PUT PATCH DELETE"}
_DEMO = frozenset(
    f"{method} {path.replace('/user', kind)}"
    for kind in ("/user", "/users")  # own routes, and mounted ones
    for path, methods in _METHODS.items()
    for method in methods.split()
)


@contextmanager
def run_demo() -> Iterator[RunningService]:
    """Run ``twistd unixsvc`` without a configuration; it has ended at the end of the context."""
    with TemporaryDirectory(prefix="unixsvc-demo-") as folder:
        running = OrchestratorProcess(
            folder, "--socket-dir", f"{folder}/run", "--http", "tcp:0:interface=127.0.0.1"
        )
        try:
            running.until("ready: ")
            where = re.search(r"http://[\w.]+:\d+", running.until("listens on")["message"])
            assert where is not None
            yield RunningService(
                origin=where[0],
                prefixes=("",),
                token=Path(folder, "run", ".auth_token").read_text("utf-8").strip(),
                title="The demo of unixsvc",
                routes=_DEMO | {"GET /", "GET /ticks", "POST /pictures"},
                public=TryOut("GET", "/", 200, {"message": "Hello World!"}),
                private=TryOut("POST", "/user", 201, {"name": "Ada"}, body={"name": "Ada"}),
                invalid=TryOut("POST", "/user", 422, {"title": "Invalid arguments"}, body={"name": ""}),
                field="name",
            )
        finally:
            running.end()


@contextmanager
def run_application(name: str, attribute: str = "app") -> Iterator[str]:
    """Run an application of this folder behind the gateway; it has ended at the end of the context.

    :param name: of its module.
    :param attribute: where it is in the module.
    :return: scheme, host and port.
    """
    with TemporaryDirectory(prefix="unixsvc-browser-") as folder:
        Path(folder, "unixsvc.toml").write_text(_APPLICATION.format(name=name, attribute=attribute))
        source = Path(__file__).with_name(f"{name}.py")
        Path(folder, source.name).write_text(source.read_text())
        running = OrchestratorProcess(folder)
        try:
            found = re.search(r"http://127[\d.]+:\d+", running.until("listens on")["message"])
            running.until("ready: ")
            assert found is not None
            yield found[0]
        finally:
            running.end()


@contextmanager
def run_small_app() -> Iterator[RunningService]:
    """Run the small API; it has ended at the end of the context."""
    command = [sys.executable, "-m", small_app.__name__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield RunningService(
                origin=f"http://127.0.0.1:{port}",
                prefixes=("", "/api"),
                token=small_app.TOKEN,
                title=small_app.DOCUMENT["info"]["title"],
                routes=frozenset({"GET /items", "POST /items", "GET /items/{id}"}),
                public=TryOut("GET", "/items", 200, small_app.ITEMS[:1], fill={"limit": "1"}),
                private=TryOut(
                    "POST", "/items", 201, {"id": 3, "name": "Candle"}, body={"name": "Candle", "price": 2.5}
                ),
                invalid=TryOut(
                    "POST", "/items", 422, {"errors": _WRONG}, body={"name": "Candle", "price": -1}
                ),
                field="price",
            )
        finally:
            process.terminate()
