"""Compare an application on FastAPI with the same one here: ``python -m tests.conformance.run_fastapi``.

Both are tests/conformance/fastapi: the "bigger applications" of FastAPI's tutorial with its headers, cookies,
forms, files, security, background tasks, CORS and WebSockets. Sends both the same requests and compares the
answers, then the OpenAPI documents, and counts the lines. Exits with 1 if something differs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import connect

from tests.conformance.fastapi.documents import document_differences
from tests.conformance.fastapi.requests import REQUESTS, Call, comparable
from tests.functional.orchestrator_process import OrchestratorProcess

_FOLDER: Final = Path(__file__).with_name("fastapi")
_SECONDS: Final = 60.0  # only reached if something is broken


def main() -> int:
    """Run both, and print the differences."""
    with tempfile.TemporaryDirectory() as folder, _theirs() as theirs, _ours(folder) as ours:
        failures = [*_answers(theirs, ours), *_messages(theirs, ours), *_documents(theirs, ours)]
    failures += [f"the tests of {name} fail" for name in ("theirs", "ours") if _run_tests(name)]
    lines = {name: _count_lines(name) for name in ("theirs", "ours")}
    sys.stdout.write("".join(f"{failure}\n" for failure in failures))
    sys.stdout.write(f"{len(REQUESTS)} requests, {len(failures)} differences; lines of code: {lines}\n")
    return 1 if failures else 0


@contextmanager
def _theirs() -> Iterator[str]:
    """FastAPI on uvicorn; yields its URL."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tests.conformance.fastapi.serve_theirs", str(writing)]
    with subprocess.Popen(command, pass_fds=[writing]) as process:
        os.close(writing)
        try:
            with os.fdopen(reading) as port:
                yield f"http://127.0.0.1:{int(port.readline())}"
        finally:
            process.terminate()


@contextmanager
def _ours(folder: str) -> Iterator[str]:
    """The same application here; yields its URL."""
    shutil.copytree(_FOLDER / "ours", Path(folder, "ours"))
    shutil.move(Path(folder, "ours", "unixsvc.toml"), folder)
    running = OrchestratorProcess(folder, "--socket-dir", str(Path(folder, "run")))
    try:
        url = running.until("listens on http://")["message"].rpartition(" ")[2]
        running.until("ready: ")
        yield url
    finally:
        running.end()


def _answers(theirs: str, ours: str) -> Iterator[str]:
    """Send the requests in their order to both, and yield the differences of the answers."""
    with (
        httpx.Client(base_url=theirs, timeout=_SECONDS) as one,
        httpx.Client(base_url=ours, timeout=_SECONDS) as other,
    ):
        for call in REQUESTS:
            expected, found = (comparable(call, _send(client, call)) for client in (one, other))
            if expected != found:
                yield f"{call}\n  theirs: {expected}\n  ours:   {found}"


def _send(client: httpx.Client, call: Call) -> httpx.Response:
    client.cookies.clear()
    return client.request(call.method, call.path, **call.options)


def _messages(theirs: str, ours: str) -> Iterator[str]:
    """Talk over a WebSocket with both."""
    answers = []
    for url in (theirs, ours):
        with connect(f"{url.replace('http', 'ws', 1)}/items/foo/ws") as socket:
            answers.append([_asked(socket, text) for text in ("Hi", "", "\u00fc" * 1000)])
    if answers[0] != answers[1]:
        yield f"WebSocket\n  theirs: {answers[0]}\n  ours:   {answers[1]}"


def _asked(socket: Any, text: str) -> object:
    socket.send(text)
    return socket.recv(timeout=_SECONDS)


def _documents(theirs: str, ours: str) -> Iterator[str]:
    documents = [
        json.loads(httpx.get(f"{url}/openapi.json", timeout=_SECONDS).content) for url in (theirs, ours)
    ]
    yield from document_differences(*documents)


def _run_tests(name: str) -> int:
    """Run the tests that the application has itself; returns the exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_FOLDER / name)]
    return subprocess.run(command, timeout=_SECONDS, check=False).returncode


def _count_lines(name: str) -> int:
    """The lines of code: neither empty nor comments; with the configuration and the tests."""
    lines = [
        line.strip()
        for path in (_FOLDER / name).rglob("*")
        if path.suffix in (".py", ".toml")
        for line in path.read_text().splitlines()
    ]
    return sum(bool(line) and not line.startswith("#") for line in lines)


if __name__ == "__main__":
    sys.exit(main())
