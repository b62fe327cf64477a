"""Tests of the tables ``[[hooks]]``."""

from __future__ import annotations

import tomllib
from typing import Any

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.effective import effective_toml
from unixsvc.config.hooks import EVENTS, Hook
from unixsvc.config.loader import load_configuration

_COMMAND = 'command = ["./notify"]'
_URL = 'url = "https://chat.example/hook"'


class HooksTests(ConfigTestCase):
    def table(self, *lines: str, events: str = '["worker.died"]') -> str:
        """A configuration with a hook."""
        return "\n".join((SERVICE, "[[hooks]]", f"events = {events}", *lines, ""))

    def test_read(self) -> None:
        """There may be several; each has a command or a URL."""
        text = self.table(_COMMAND) + f'[[hooks]]\nevents = ["*"]\n{_URL}\nattempts = 2\n'
        first, second = self.load(text).hooks
        self.assertEqual(first, Hook(events=("worker.died",), command=("./notify",)))
        self.assertEqual((second.url, second.attempts), ("https://chat.example/hook", 2))
        self.assertEqual(self.load(SERVICE).hooks, ())

    def test_either(self) -> None:
        """A hook with both, or with neither, is refused."""
        for lines in ((), (_COMMAND, _URL)):
            self.assert_refused(self.table(*lines), "hooks[0]: has not either a command or a url")

    def test_events(self) -> None:
        """Unknown events are refused, and so are patterns that match none."""
        for events in ('["worker.dies"]', '["worker.died", "works.*"]'):
            self.assert_refused(
                self.table(_COMMAND, events=events), "hooks[0].events: there is no event", "worker.died"
            )
        self.assert_refused(self.table(_COMMAND, events="[]"), "hooks[0].events")

    def test_services(self) -> None:
        """Services have to exist."""
        self.load(self.table(_COMMAND, 'services = ["home"]'))
        refused = self.table(_COMMAND, 'services = ["hose"]')
        self.assert_refused(refused, "hooks[0].services: there is no service 'hose'")

    def test_url(self) -> None:
        """A URL is one of HTTP, without a password, which belongs into a header."""
        for url in ("ftp://x/", "https://", "https://u:p@host/", "host/path", "https://a b/"):
            self.assert_refused(self.table(f'url = "{url}"'), "hooks[0].url: is no URL")
        for url in ("http://127.0.0.1:8080", "https://[::1]/a?b=c"):
            self.load(self.table(f'url = "{url}"'))

    def test_headers(self) -> None:
        """Header fields are for URLs, and have to be valid."""
        self.load(self.table(_URL, 'headers = { Authorization = "Bearer x y" }'))
        self.assert_refused(self.table(_COMMAND, 'headers = { A = "b" }'), "hooks[0].headers: are for a url")
        for header in ('"A B" = "c"', 'A = "b\\nC: d"', 'A = ""'):
            self.assert_refused(self.table(_URL, f"headers = {{ {header} }}"), "hooks[0].headers")

    def test_shown(self) -> None:
        """The effective configuration has each hook; values of headers are masked."""
        text = (
            self.table(_URL, 'headers = { X-Chat = "hunter2" }') + f'[[hooks]]\nevents = ["*"]\n{_COMMAND}\n'
        )
        shown = effective_toml(load_configuration(self.write(text)), self.folder)
        found: list[dict[str, Any]] = tomllib.loads(shown)["hooks"]
        self.assertEqual([each["events"] for each in found], [["worker.died"], ["*"]])
        self.assertEqual(found[0]["headers"], {"X-Chat": "***"})
        self.assertNotIn("hunter2", shown)

    def test_wants(self) -> None:
        """A hook gets events by patterns, and of its services."""
        hook = Hook(events=("worker.d*", "reload.done"), services=("shop",), command=("x",))
        wanted = {(kind, name) for kind in EVENTS for name in ("", "shop", "bank") if hook.wants(kind, name)}
        self.assertEqual(
            wanted, {("worker.died", "shop"), ("worker.draining", "shop"), ("reload.done", "shop")}
        )
        self.assertTrue(Hook(events=("*",), command=("x",)).wants("orchestrator.ready", ""))
