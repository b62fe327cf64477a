"""The fixtures for pytest; pytest finds them by the entry point of the package.

Every run of pytest in the environment imports this module. So it imports the others when a test uses them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from unixsvc.testing import HttpFactory, ProcessFactory, ServiceFactory

__all__ = ["unixsvc_http", "unixsvc_process", "unixsvc_process_factory", "unixsvc_service"]

_FactoryT = TypeVar("_FactoryT", "HttpFactory", "ServiceFactory")
_ANYIO: Final = "unixsvc_anyio_loop"
_ASYNCIO: Final = "unixsvc_asyncio_loop"
_FACTORIES: pytest.StashKey[list[ProcessFactory]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Add a fixture with the event loop of pytest-asyncio, if that is there."""
    plugin: Any = sys.modules.get("pytest_asyncio.plugin")
    if plugin is not None and config.pluginmanager.is_registered(plugin):
        fixtures = ModuleType("unixsvc_asyncio_fixtures")
        setattr(fixtures, _ASYNCIO, plugin.fixture(name=_ASYNCIO)(_loop))
        config.pluginmanager.register(fixtures, _ASYNCIO)


async def _loop() -> AsyncIterator[None]:
    yield


@pytest.fixture(name=_ANYIO)
async def _anyio_loop(anyio_backend: object) -> AsyncIterator[None]:
    yield


@pytest.fixture
def unixsvc_service(request: pytest.FixtureRequest) -> Iterator[ServiceFactory]:
    """Makes services in memory, as ``unixsvc_service(app)``; they are closed after the test."""
    from unixsvc.testing import ServiceFactory

    yield from _closed_after(request, ServiceFactory())


@pytest.fixture
def unixsvc_http(request: pytest.FixtureRequest) -> Iterator[HttpFactory]:
    """Makes HTTP clients of applications in memory, as ``unixsvc_http(app)``."""
    from unixsvc.testing import HttpFactory

    yield from _closed_after(request, HttpFactory())


@pytest.fixture
def unixsvc_process(request: pytest.FixtureRequest) -> Iterator[ProcessFactory]:
    """Starts orchestrators, as ``unixsvc_process("unixsvc.toml")``; they are stopped after the test."""
    yield from _processes(request.config)


@pytest.fixture(scope="session")
def unixsvc_process_factory(request: pytest.FixtureRequest) -> Iterator[ProcessFactory]:
    """As ``unixsvc_process``, but the orchestrators run until the end of all tests."""
    yield from _processes(request.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what orchestrators have logged in earlier tests."""
    for factory in item.config.stash.get(_FACTORIES, []):
        factory.start_test()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the log of each orchestrator to the report of a test that has failed."""
    report = yield
    if report.failed:
        logs = [log for factory in item.config.stash.get(_FACTORIES, []) for log in factory.logs()]
        report.sections += [("unixsvc log", log) for log in logs if log]
    return report


def _processes(config: pytest.Config) -> Iterator[ProcessFactory]:
    from unixsvc.testing import ProcessFactory

    factory = ProcessFactory(config.rootpath)
    factories = config.stash.setdefault(_FACTORIES, [])
    factories.append(factory)
    yield factory
    factory.close()
    factories.remove(factory)


def _closed_after(request: pytest.FixtureRequest, factory: _FactoryT) -> Iterator[_FactoryT]:
    """Close what a factory has made on the event loop of the test."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        # The event loop of the test has to exist longer than the services, so it comes first.
        if "anyio_backend" in request.fixturenames:
            request.getfixturevalue(_ANYIO)
        elif request.config.pluginmanager.hasplugin(_ASYNCIO):
            request.getfixturevalue(_ASYNCIO)
    yield factory
    if factory.busy:  # only under pytest-twisted, whose reactor runs in another greenlet
        from twisted.internet.task import deferLater

        reactor: Any = sys.modules["twisted.internet.reactor"]
        sys.modules["pytest_twisted"].blockon(deferLater(reactor, 0, factory.close))
        return
    errors: list[Failure] = []
    factory.close().addErrback(errors.append)
    for error in errors:
        error.raiseException()
