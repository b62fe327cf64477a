"""Tests of the reload queue, and of what a reload may change."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits, Log, Security, ServiceSettings, Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.reload import ReloadQueue, check_reloadable


class ReloadQueueTests(SynchronousTestCase):
    """Reloads run one after the other."""

    def setUp(self) -> None:
        """Make a queue."""
        self.started: list[str] = []
        self.ends: list[Deferred[None]] = []
        self.reloads = ReloadQueue(self.carry_out)

    async def carry_out(self, name: str) -> None:
        """Begin a reload."""
        self.started.append(name)
        self.ends.append(Deferred())
        await self.ends[-1]

    def test_one(self) -> None:
        """A reload begins at once."""
        done = self.reloads.request("")
        self.assertEqual(self.started, [""])
        self.assertNoResult(done)
        self.ends[0].callback(None)
        self.successResultOf(done)

    def test_hundred(self) -> None:
        """All requests during a reload share the next one."""
        first = self.reloads.request("")
        others = [self.reloads.request("") for _ in range(100)]
        self.ends[0].callback(None)
        self.successResultOf(first)
        for each in others:
            self.assertNoResult(each)
        self.ends[1].callback(None)
        for each in others:
            self.successResultOf(each)
        self.assertEqual(self.started, ["", ""])

    def test_afterwards(self) -> None:
        """When all are done, the next request begins at once."""
        for number in 1, 2, 3:
            done = self.reloads.request("")
            self.assertEqual(len(self.started), number)
            self.ends[-1].callback(None)
            self.successResultOf(done)

    def test_failure(self) -> None:
        """Only the requesters of a reload get its error; the next one begins."""
        first, second = self.reloads.request(""), self.reloads.request("")
        self.ends[0].errback(ConfigError("x", "is wrong"))
        self.failureResultOf(first, ConfigError)
        self.assertNoResult(second)
        self.ends[1].errback(ValueError("whatever it is"))
        self.failureResultOf(second, ValueError)
        self.reloads.request("")
        self.assertEqual(len(self.started), 3)

    def test_names(self) -> None:
        """Reloads of different services run in the order of their requests."""
        for name in "home", "user", "home", "user", "shop":
            self.reloads.request(name)
        for _ in range(4):
            self.assertEqual(len([each for each in self.ends if not each.called]), 1)
            self.ends[-1].callback(None)
        self.assertEqual(self.started, ["home", "user", "home", "shop"])

    def test_all_include_one(self) -> None:
        """A request for one service shares a queued reload of all."""
        self.reloads.request("home")
        everything, one = self.reloads.request(""), self.reloads.request("user")
        self.ends[0].callback(None)
        self.ends[1].callback(None)
        self.successResultOf(everything)
        self.successResultOf(one)
        self.assertEqual(self.started, ["home", ""])

    def test_cancelled(self) -> None:
        """A cancelled request cancels no reload, whether running or queued."""
        first, second = self.reloads.request(""), self.reloads.request("")
        for each in first, second:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertFalse(self.ends[0].called)
        self.ends[0].callback(None)
        self.assertEqual(self.started, ["", ""])


class CheckTests(SynchronousTestCase):
    """What a reload may change."""

    def setUp(self) -> None:
        """The running settings."""
        self.settings = Settings(
            "/srv/unixsvc.toml", "/srv", "/run/x", 0o660, "/srv/.t", Limits(), Security(), {}, Log()
        )

    def test_may(self) -> None:
        """Services, limits, security and the log may change."""
        changes: dict[str, Any] = {
            "services": {"home": ServiceSettings("home:app")},
            "limits": Limits(idle_timeout=1),
            "security": Security(token="off"),
            "log": Log(level="debug"),
            "source": "/srv/other.toml",
        }
        check_reloadable(self.settings, replace(self.settings, **changes))

    def test_may_not(self) -> None:
        """The paths of sockets and token may not change; the error says which and what to do."""
        changes: dict[str, Any] = {
            "socket_dir": "/run/y", "socket_mode": 0o600, "token_file": "/srv/u", "folder": "/opt"
        }  # fmt: skip
        for name, value in changes.items():
            new = replace(self.settings, **{name: value})
            error = str(self.assertRaises(ConfigError, check_reloadable, self.settings, new))
            self.assertIn(f"/srv/unixsvc.toml: {name}", error)
            self.assertIn("stop it and start it", error)
