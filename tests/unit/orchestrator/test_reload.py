"""Many reloads in a row, and what one may change."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits, Log, Security, ServiceSettings, Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.reload import ReloadQueue, check_reloadable


class ReloadsTests(SynchronousTestCase):
    """One after the other."""

    def setUp(self) -> None:
        """Nothing is asked yet."""
        self.suspended: list[str] = []
        self.ends: list[Deferred[None]] = []
        self.reloads = ReloadQueue(self.carry_out)

    async def carry_out(self, name: str) -> None:
        """Begin one."""
        self.suspended.append(name)
        self.ends.append(Deferred())
        await self.ends[-1]

    def test_one(self) -> None:
        """One is begun at once, and done when it is."""
        done = self.reloads.request("")
        self.assertEqual(self.suspended, [""])
        self.assertNoResult(done)
        self.ends[0].callback(None)
        self.successResultOf(done)

    def test_hundred(self) -> None:
        """However many ask while one is under way, there is one more, and all of them have that one."""
        first = self.reloads.request("")
        others = [self.reloads.request("") for _ in range(100)]
        self.ends[0].callback(None)
        self.successResultOf(first)
        for each in others:
            self.assertNoResult(each)
        self.ends[1].callback(None)
        for each in others:
            self.successResultOf(each)
        self.assertEqual(self.suspended, ["", ""])

    def test_afterwards(self) -> None:
        """When all are done, the next one is begun at once again."""
        for number in 1, 2, 3:
            done = self.reloads.request("")
            self.assertEqual(len(self.suspended), number)
            self.ends[-1].callback(None)
            self.successResultOf(done)

    def test_failure(self) -> None:
        """One that fails fails for those who have asked for it; the next one is begun all the same."""
        first, second = self.reloads.request(""), self.reloads.request("")
        self.ends[0].errback(ConfigError("x", "is wrong"))
        self.failureResultOf(first, ConfigError)
        self.assertNoResult(second)
        self.ends[1].errback(ValueError("whatever it is"))
        self.failureResultOf(second, ValueError)
        self.reloads.request("")
        self.assertEqual(len(self.suspended), 3)

    def test_names(self) -> None:
        """Different services are reloaded in the order in which it was asked, one at a time."""
        for name in "home", "user", "home", "user", "shop":
            self.reloads.request(name)
        for _ in range(4):
            self.assertEqual(len([each for each in self.ends if not each.called]), 1)
            self.ends[-1].callback(None)
        self.assertEqual(self.suspended, ["home", "user", "home", "shop"])

    def test_all_include_one(self) -> None:
        """Who asks for one service while one of all is waiting shares that."""
        self.reloads.request("home")
        everything, one = self.reloads.request(""), self.reloads.request("user")
        self.ends[0].callback(None)
        self.ends[1].callback(None)
        self.successResultOf(everything)
        self.successResultOf(one)
        self.assertEqual(self.suspended, ["home", ""])

    def test_cancelled(self) -> None:
        """Who does not wait any more stops nothing, neither what is under way nor what is to come."""
        first, second = self.reloads.request(""), self.reloads.request("")
        for each in first, second:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertFalse(self.ends[0].called)
        self.ends[0].callback(None)
        self.assertEqual(self.suspended, ["", ""])


class CheckTests(SynchronousTestCase):
    """What a reload may change."""

    def setUp(self) -> None:
        """What runs."""
        self.settings = Settings(
            "/srv/unixsvc.toml", "/srv", "/run/x", 0o660, "/srv/.t", Limits(), Security(), {}, Log()
        )

    def test_may(self) -> None:
        """Services, limits, who may call, and the log."""
        changes: dict[str, Any] = {
            "services": {"home": ServiceSettings("home:app")},
            "limits": Limits(idle_timeout=1),
            "security": Security(token="off"),
            "log": Log(level="debug"),
            "source": "/srv/other.toml",
        }
        check_reloadable(self.settings, replace(self.settings, **changes))

    def test_may_not(self) -> None:
        """Not where the sockets and the token are; it is said which, and what to do."""
        changes: dict[str, Any] = {
            "socket_dir": "/run/y", "socket_mode": 0o600, "token_file": "/srv/u", "folder": "/opt"
        }  # fmt: skip
        for name, value in changes.items():
            new = replace(self.settings, **{name: value})
            error = str(self.assertRaises(ConfigError, check_reloadable, self.settings, new))
            self.assertIn(f"/srv/unixsvc.toml: {name}", error)
            self.assertIn("stop it and start it", error)
