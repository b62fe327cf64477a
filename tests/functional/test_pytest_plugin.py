"""The plugin for pytest, in runs of pytest with each plugin for asynchronous tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

_APP = """
import asyncio
from contextlib import asynccontextmanager
from unixsvc import GET, App, NotFound
async def show(id: int) -> int:
    if id > 9:
        raise NotFound(f"no thing {id}")
    return id
async def sleep() -> str:
    await asyncio.sleep(0.01)
    return "slept"
async def fail() -> None:
    raise RuntimeError("broken inside")
events = []
@asynccontextmanager
async def lifespan(context):
    await asyncio.sleep(0.01)
    yield
    await asyncio.sleep(0.01)
    events.append("left")
app = App([GET("/things/{id:int}", show), GET("/sleep", sleep), GET("/things/fail", fail)], lifespan=lifespan)
"""

_ASYNC = """
import asyncio
import pytest
from unixsvc import NotFound
from app import app, events
@FIXTURE
async def service(unixsvc_service):
    service = unixsvc_service(app)
    assert await service.get("/things/1") == 1
    yield service
    assert await service.get("/sleep") == "slept"
@pytest.mark.MARK
async def test_calls(service):
    assert await service.get("/sleep") == "slept"
    assert await asyncio.gather(service.get("/sleep"), service.get("/things/3")) == ["slept", 3]
    with pytest.raises(NotFound):
        await service.get("/things/10")
    service.get("/sleep")
def test_plain(unixsvc_service):
    assert unixsvc_service(app).get("/sleep").wait() == "slept"
@pytest.mark.MARK
async def test_http(unixsvc_http):
    response = await unixsvc_http(app).get("/sleep")
    assert response.json() == "slept"
def test_left():
    assert events == ["left"] * 3
"""

_ANYIO = """
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

_TWISTED = """
import pytest
import pytest_twisted
from unixsvc import NotFound
from app import app, events
@pytest_twisted.ensureDeferred
async def test_await(unixsvc_service):
    service = unixsvc_service(app)
    assert await service.get("/things/1") == 1
    with pytest.raises(NotFound):
        await service.get("/things/10")
@pytest_twisted.inlineCallbacks
def test_yield(unixsvc_service):
    service = unixsvc_service(app)
    assert (yield service.get("/things/1")) == 1
    assert (yield service.get("/sleep")) == "slept"
    service.get("/sleep")
@pytest_twisted.ensureDeferred
async def test_http(unixsvc_http):
    response = await unixsvc_http(app).get("/sleep")
    assert response.json() == "slept"
def test_left():
    assert events == ["left"] * 3
"""

_PROCESS = """
import pytest
TOML = '[services.things]\\napp = "app:app"\\n[http]\\nmounts = {"/things" = "things"}\\n'
@pytest.fixture(scope="session")
def shared(unixsvc_process_factory):
    return unixsvc_process_factory(toml=TOML)
def test_passes(shared):
    assert shared.call("things", "GET", "/things/1") == 1
    assert shared.client("things").get("/things/2") == 2
    assert shared.http_url.startswith("http://127.0.0.1:")
def test_fails(shared):
    print("pid", shared.pid)
    shared.call("things", "GET", "/things/fail")
def test_cannot_start(unixsvc_process):
    unixsvc_process(toml=TOML.replace("app:app", "app:none"))
"""


class PytestTests(SynchronousTestCase):
    """Each test is a run of pytest in a folder with an application."""

    def run_tests(self, text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run pytest.

        :param variables: environment variables.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "app.py").write_text(_APP)
        (folder / "test_app.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-m", "pytest", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run_only(self, text: str, *plugins: str) -> subprocess.CompletedProcess[str]:
        """Run pytest with the plugin, and no others but these."""
        arguments = ["-p", "unixsvc.pytest_plugin", *plugins]
        return self.run_tests(text, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def assert_passed(self, count: int, text: str, *arguments: str) -> None:
        """All tests pass, without a warning."""
        done = self.run_only(text, "-p", *arguments)
        self.assertRegex(done.stdout, f"=== {count} passed in ")
        self.assertEqual(done.stderr, "")

    def test_pytest_asyncio(self) -> None:
        """Calls are awaited in tests and fixtures of pytest-asyncio; the loop serves the actions."""
        marked = _ASYNC.replace("@FIXTURE", "@pytest_asyncio.fixture").replace(
            "@pytest.mark.MARK", "@pytest.mark.asyncio"
        )
        options = ("-o", "asyncio_default_fixture_loop_scope=function")  # else it warns
        self.assert_passed(4, f"import pytest_asyncio\n{marked}", "pytest_asyncio.plugin", *options)

    def test_anyio(self) -> None:
        """The same with the plugin of anyio."""
        marked = _ASYNC.replace("@FIXTURE", "@pytest.fixture").replace("MARK", "anyio")
        self.assert_passed(4, marked.replace("(unixsvc", "(anyio_backend, unixsvc", 1) + _ANYIO, "anyio")

    def test_pytest_twisted(self) -> None:
        """Calls are awaited and yielded in tests of pytest-twisted."""
        self.assert_passed(4, _TWISTED, "pytest_twisted", "--reactor=asyncio")

    def test_process(self) -> None:
        """A failed test shows the log; a start that fails is one line; no process is left at the end."""
        done = self.run_only(_PROCESS)
        self.assertRegex(done.stdout, "2 failed, 1 passed")
        log = done.stdout.partition("-- unixsvc log --")[2]
        self.assertIn("RuntimeError: broken inside", log)
        self.assertNotIn("is ready", log)  # that was in an earlier test
        self.assertIn("StartFailed: unixsvc: services.things: cannot start: app:none: ", done.stdout)
        pid = done.stdout.partition("\npid ")[2].split()[0]
        self.assertFalse(Path("/proc", pid).exists())

    def test_installed(self) -> None:
        """It belongs to the package; as every plugin, it can be turned off."""
        test = "def test(unixsvc_service):\n    pass\n"
        self.assertIn("1 passed", self.run_tests(test).stdout)
        self.assertIn("fixture 'unixsvc_service' not found", self.run_tests(test, "-p", "no:unixsvc").stdout)
