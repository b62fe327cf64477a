"""The services whose page is opened, in processes of their own."""

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
from tests.functional.orchestrator_process import Running

__all__ = ["Served", "Trial", "serving_demo", "serving_small"]

_WRONG = [{"field": "price", "message": "Expected `float` > 0.0"}]


@dataclass(frozen=True)
class Trial:
    """A request that is made with "Try it out", and what it is answered.

    :ivar method: of the operation, in capitals.
    :ivar path: of the operation, as in the document.
    :ivar code: the status of the answer.
    :ivar answer: what the answer says, or those of its members that are looked at.
    :ivar fill: the values of parameters, by name.
    :ivar body: what is sent, if anything.
    """

    method: str
    path: str
    code: int
    answer: Any
    fill: dict[str, str] = dataclasses.field(default_factory=dict)
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Served:
    """A service that runs.

    :ivar origin: scheme, host and port.
    :ivar prefixes: below which the API and its pages are.
    :ivar token: that it accepts.
    :ivar title: of its document.
    :ivar routes: all, each as ``GET /path``.
    :ivar public: a request that needs no token.
    :ivar private: one that needs it.
    :ivar invalid: one whose arguments are wrong.
    :ivar field: the one that is.
    """

    origin: str
    prefixes: tuple[str, ...]
    token: str
    title: str
    routes: frozenset[str]
    public: Trial
    private: Trial
    invalid: Trial
    field: str


_METHODS = {"/user": "GET POST", "/user/{id}": "GET PUT PATCH DELETE"}
_DEMO = frozenset(
    f"{method} {path.replace('/user', kind)}"
    for kind in ("/user", "/users")  # in this process, and mounted
    for path, methods in _METHODS.items()
    for method in methods.split()
)


@contextmanager
def serving_demo() -> Iterator[Served]:
    """Starts ``twistd unixsvc`` without a configuration; all of it has ended when this is left."""
    with TemporaryDirectory(prefix="unixsvc-demo-") as folder:
        running = Running(folder, "--socket-dir", f"{folder}/run", "--http", "tcp:0:interface=127.0.0.1")
        try:
            running.until("ready: ")
            where = re.search(r"http://[\w.]+:\d+", running.until("listens on")["message"])
            assert where is not None
            yield Served(
                origin=where[0],
                prefixes=("",),
                token=Path(folder, "run", ".auth_token").read_text("utf-8").strip(),
                title="The demo of unixsvc",
                routes=_DEMO | {"GET /", "GET /ticks"},
                public=Trial("GET", "/", 200, {"message": "Hello World!"}),
                private=Trial("POST", "/user", 201, {"name": "Ada"}, body={"name": "Ada"}),
                invalid=Trial("POST", "/user", 422, {"title": "Invalid arguments"}, body={"name": ""}),
                field="name",
            )
        finally:
            running.end()


@contextmanager
def serving_small() -> Iterator[Served]:
    """Starts the small API; it has ended when this is left."""
    command = [sys.executable, "-m", small_app.__name__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield Served(
                origin=f"http://127.0.0.1:{port}",
                prefixes=("", "/api"),
                token=small_app.TOKEN,
                title=small_app.DOCUMENT["info"]["title"],
                routes=frozenset({"GET /items", "POST /items", "GET /items/{id}"}),
                public=Trial("GET", "/items", 200, small_app.ITEMS[:1], fill={"limit": "1"}),
                private=Trial(
                    "POST", "/items", 201, {"id": 3, "name": "Candle"}, body={"name": "Candle", "price": 2.5}
                ),
                invalid=Trial(
                    "POST", "/items", 422, {"errors": _WRONG}, body={"name": "Candle", "price": -1}
                ),
                field="price",
            )
        finally:
            process.terminate()
