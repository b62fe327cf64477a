"""Contracts, generated modules, and a client that records calls."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import msgspec

from tests.unit.routing.serving import Runner, Serving
from tests.unit.stubs.everything import ROUTES
from unixsvc.config.settings import ServiceSettings
from unixsvc.contract.model import Contract
from unixsvc.domain.action_runner import PlainRunner
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.routing.app import load_app
from unixsvc.routing.builtin_routes import BuiltinRoutes
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.router import Router
from unixsvc.service.application import start_application
from unixsvc.stubs.module import write_module

__all__ = ["Recorder", "everything_contract", "load_module", "made_from", "outcome", "user_contract"]

T = TypeVar("T")
_numbers = itertools.count()


def user_contract(folder: str) -> Contract:
    """What the demo's service ``user`` says of itself.

    :param folder: where it may keep its users.
    """
    context = ServiceContext("user", folder, ServiceSettings("unix_app.user:app"))
    app = load_app("unix_app.user:app")
    making = start_application(app, context, {}, PlainRunner(), lambda error: None)
    application = run_without_waiting(making)
    builtin = BuiltinRoutes(_healthy, dict, _ready)
    router = Router(app, application.container, application.controllers, blocking=Runner(), builtin=builtin)
    try:
        return router.contract()
    finally:
        run_without_waiting(application.close())


def everything_contract() -> Contract:
    """The contract of a service with all types."""
    return Serving(*ROUTES).router.contract()


def made_from(contract: Any, service: str = "shop", name: str = "Client") -> str:
    """The text of the generated module."""
    received = msgspec.json.decode(msgspec.json.encode(contract), type=Contract)
    return write_module(received, service, name)


def load_module(text: str) -> types.ModuleType:
    """Import a text as a module; msgspec resolves annotations in ``sys.modules``."""
    module = types.ModuleType(f"generated_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(compile(text, module.__name__, "exec"), module.__dict__)  # noqa: S102  # that it runs is what is tested
    return module


class Recorder:
    """Carries calls nowhere.

    :param answers: the results as JSON; they are decoded into the requested type.
    :ivar calls: the method, the path, and the data as JSON.
    """

    def __init__(self, *answers: Any) -> None:
        self._answers = [*answers]
        self.calls: list[tuple[str, str, Any]] = []
        self.timeouts: list[float | None] = []

    async def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        meta: dict[str, str] | None = None,
        type: Any = Any,
    ) -> Any:
        """Record the call, and return the next result."""
        self.calls.append((method, path, msgspec.json.decode(msgspec.json.encode(data))))
        self.timeouts.append(timeout)
        return msgspec.json.decode(msgspec.json.encode(self._answers.pop(0)), type=type)

    async def stream(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        meta: dict[str, str] | None = None,
        type: Any = Any,
    ) -> AsyncIterator[Any]:
        """Record the call, and yield all results."""
        self.calls.append((method, path, msgspec.json.decode(msgspec.json.encode(data))))
        self.timeouts.append(timeout)
        for each in self._answers:
            yield msgspec.json.decode(msgspec.json.encode(each), type=type)


def outcome(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


async def _healthy(container: Any) -> dict[str, Any]:
    return {}


async def _ready(request: Any, container: Any) -> dict[str, Any]:
    return {}
