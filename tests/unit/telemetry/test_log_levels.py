"""Levels by logger, service and route."""

from __future__ import annotations

from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.telemetry.test_logs import event
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.telemetry.log_levels import LEVELS, LevelRule, LogLevels
from unixsvc.telemetry.logs import LogLevelFilter


class RuleTests(SynchronousTestCase):
    """Which rule counts."""

    def level(self, levels: LogLevels, *what: str) -> str:
        """The level of an event."""
        number = levels.number(*what)
        return next(name for name, each in LEVELS.items() if each == number)

    def test_weight(self) -> None:
        """A route counts more than a logger, a logger more than a service, and the lower logger most."""
        levels = LogLevels(
            "info",
            [
                LevelRule("warn", service="shop"),
                LevelRule("error", "db"),
                LevelRule("debug", "db.pool"),
                LevelRule("critical", route="/x"),
                LevelRule("debug", route="GET /x"),
                LevelRule("error", "db", "home"),
            ],
        )
        for what, level in (
            (("a", "home"), "info"),
            (("a", "shop"), "warn"),
            (("db", "shop"), "error"),
            (("dbx", "home"), "info"),
            (("db.pool.x", "shop"), "debug"),
            (("db", "shop", "GET /x"), "debug"),
            (("a", "shop", "PUT /x"), "critical"),
            (("a", "shop", "PUT /y"), "warn"),
        ):
            self.assertEqual(self.level(levels, *what), level, what)
            self.assertEqual(self.level(levels, *what), level, what)  # as remembered

    def test_replaced(self) -> None:
        """Of two rules about the same, the later one counts."""
        levels = LogLevels("info", [LevelRule("warn", service="x"), LevelRule("debug", service="x")])
        self.assertEqual(self.level(levels, "a", "x"), "debug")

    def test_by_logger(self) -> None:
        """Python's logging gets the lowest level that any route of the service may have."""
        rules = [LevelRule("error", service="shop"), LevelRule("debug", route="GET /x", service="home")]
        levels = LogLevels("info", [*rules, LevelRule("warn", "db")])
        self.assertEqual(levels.by_logger("shop"), ("error", {"db": "warn"}))
        self.assertEqual(levels.by_logger("home"), ("debug", {"db": "debug"}))
        self.assertEqual(levels.by_logger(None)[0], "debug")


class FilterTests(SynchronousTestCase):
    """The filter of a process."""

    def passed(self, level: LogLevelFilter, **fields: Any) -> bool:
        """Whether an event of the level info is logged."""
        events: list[LogEvent] = []
        level.filter(cast(ILogObserver, events.append))(event(**fields))
        return bool(events)

    def test_route(self) -> None:
        """In a worker, the route is that of the current request."""
        level = LogLevelFilter("error", service="shop")
        level.route_of = lambda request: RouteInfo("GET", request.path)
        level.set_rule(LevelRule("info", route="GET /x"), ("GET /x", "", ""))
        self.addCleanup(set_current_request, None)
        for path, passes in (("/x", True), ("/y", False)):
            set_current_request(Request("GET", path))
            self.assertIs(self.passed(level), passes)
        set_current_request(None)
        self.assertFalse(self.passed(level))
        set_current_request(Request("GET", "/x"))
        level.set_rule(None, ("GET /x", "", ""))
        self.assertFalse(self.passed(level))

    def test_orchestrator(self) -> None:
        """The orchestrator logs what a worker may have logged for a route, and filters what workers print."""
        level = LogLevelFilter("info", rules=[LevelRule("error", service="shop")])
        self.assertFalse(self.passed(level, log_namespace="shop[1]"))
        self.assertTrue(self.passed(level, log_namespace="home[1]"))
        self.assertFalse(self.passed(level, log_namespace="shop[1]", worker_logger="db"))
        level.set("info", rules=[*level.rules, LevelRule("info", route="GET /x")])
        self.assertTrue(self.passed(level, log_namespace="shop[1]", worker_logger="db"))

    def test_access(self) -> None:
        """The access log asks for its routes only if a level may leave some out."""
        level = LogLevelFilter("info", service="shop")
        self.assertIsNone(level.admitted_routes("unixsvc.access", "info"))
        level.set("info", rules=[LevelRule("warn", route="/x")])
        admits = level.admitted_routes("unixsvc.access", "info")
        assert admits is not None
        self.assertEqual([admits(each) for each in ("GET /x", "GET /y", "")], [False, True, True])
        level.set("info", {"unixsvc.access": "warn"}, ())
        admits = level.admitted_routes("unixsvc.access", "info")
        assert admits is not None
        self.assertFalse(admits("GET /y"))
