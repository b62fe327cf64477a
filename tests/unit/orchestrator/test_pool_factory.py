"""Tests of the pool factory."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any
from unittest import skipIf

from msgspec.structs import replace

from tests.unit.orchestrator.fake_pools import ServicesTestCase, service
from tests.unit.orchestrator.pool.fake_processes import TOKEN
from tests.unit.orchestrator.pool.test_process import Owner
from unixsvc.config.cpus import available_cpus
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.inline import InlinePool
from unixsvc.orchestrator.pool.model import Recycling, SupervisionPolicy
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.pool.process import InheritedFds
from unixsvc.orchestrator.pool_factory import PoolFactory
from unixsvc.orchestrator.sockets.passed import check_passed_sockets
from unixsvc.orchestrator.worker.messages import LISTENING_FD, SetTokens
from unixsvc.security.access import AcceptedToken
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.logs import LogLevelFilter


class FactoryTestCase(ServicesTestCase):
    """A test with a pool factory."""

    def setUp(self) -> None:
        """Make the factory."""
        super().setUp()
        self.level = LogLevelFilter("info")
        self.handed: dict[str, list[socket.socket]] = {}
        self.tokens = SetTokens(TOKEN, ())
        self.factory = PoolFactory(self.reactor, lambda: self.tokens, self.level, self.handed)

    def listening(self, name: str) -> socket.socket:
        """A socket that systemd has passed."""
        made = socket.socket(socket.AF_UNIX)
        self.addCleanup(made.close)
        made.bind(os.path.join(self.folder, f"service_{name}.sock"))
        made.listen()
        return made


class SpecTests(FactoryTestCase):
    """Specs."""

    def config(self, settings: Any, slot: int = 1) -> WorkerConfig:
        """The configuration of a worker of ``home``."""
        worker = self.factory.make_spec("home", settings).make(slot, InheritedFds((7,), 8, 1, 9, 10), Owner())
        worker.start()
        return self.reactor.started[-1].worker_config

    def test_times(self) -> None:
        """The spec has the timeouts and limits of the service."""
        spec = self.factory.make_spec(
            "home",
            self.settings(
                home=service(
                    boot_timeout=1, drain_timeout=2, kill_timeout=3, watchdog=4, stable_after=5,
                    start_limit=6, start_interval=7, max_requests=8, max_memory=9, max_age=10, drain_delay=11,
                )
            ),
        )  # fmt: skip
        expected = SupervisionPolicy(
            boot_timeout=1, drain_timeout=2, kill_timeout=3, watchdog=4, stable_after=5, start_limit=6,
            start_interval=7, drain_delay=11,
        )  # fmt: skip
        self.assertEqual((spec.policy, spec.recycling), (expected, Recycling(8, 9, 10)))

    def test_workers(self) -> None:
        """The number of workers is the configured one, unless another is given."""
        for workers, wanted, found in (3, None, 3), (3, 5, 5), ("auto", None, available_cpus()):
            settings = self.settings(home=service(workers=workers))
            self.assertEqual(self.factory.make_spec("home", settings, wanted=wanted).wanted, found)

    def test_numbers(self) -> None:
        """Each spec has a higher number, over all services."""
        settings = self.settings(home=service(), user=service())
        numbers = [self.factory.make_spec(name, settings).number for name in ("home", "user", "home")]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_config(self) -> None:
        """The configuration of a worker has its slot, its settings and the token."""
        settings = replace(
            self.settings(home=service(options={"colour": "red"}, max_inflight=3)),
            limits=Limits(idle_timeout=5),
            security=Security(allow_uids=(1,)),
        )
        config = self.config(settings, slot=2)
        self.assertEqual((config.service, config.slot, config.token), ("home", 2, TOKEN))
        self.assertEqual((config.folder, config.settings), (self.folder, settings.services["home"]))
        self.assertEqual(config.limits, Limits(idle_timeout=5, max_inflight=3))
        self.assertEqual(config.security, Security(allow_uids=(1,)))

    def test_log_level(self) -> None:
        """A worker gets the log levels at the time of its start."""
        settings = replace(self.settings(home=service()), log=Log(level="error"))
        spec = self.factory.make_spec("home", settings)
        self.level.set("debug", {"shop.db": "warn"})
        spec.make(1, InheritedFds((7,), 8, 1, 9, 10), Owner()).start()
        log = self.reactor.started[-1].worker_config.log
        self.assertEqual((log.level, log.loggers), ("debug", {"shop.db": "warn"}))

    def test_tokens(self) -> None:
        """A worker gets the tokens that are valid at the time of its start, not at that of its spec."""
        spec = self.factory.make_spec("home", self.settings(home=service()))
        self.tokens = SetTokens("cd" * 32, (AcceptedToken("billing", "ef" * 32),))
        spec.make(1, InheritedFds((7,), 8, 1, 9, 10), Owner()).start()
        config = self.reactor.started[-1].worker_config
        self.assertEqual((config.token, config.tokens), (self.tokens.token, self.tokens.tokens))

    def test_privileges(self) -> None:
        """Privileges are resolved when the spec is made, and refused if they do not exist."""
        self.assertEqual(self.config(self.settings(home=service(umask="027"))).privileges.umask, 0o027)
        wrong = self.settings(home=service(user="no-such-user"))
        error = self.assertRaises(ConfigError, self.factory.make_spec, "home", wrong)
        self.assertIn("services.home.user", str(error))

    @skipIf(os.geteuid() != 0, "only root can run workers as another user")
    def test_directory_of_keys(self) -> None:
        """Workers of another user get a directory for idempotency keys; others make theirs later."""
        other, group = service(user="nobody"), service(group="nogroup")
        inline = service(isolation="inline")
        settings = self.settings(other=other, group=group, inline=inline, home=service())
        for name in settings.services:
            self.factory.make_spec(name, settings)
        self.assertEqual(os.listdir(self.folder), [".answers_other"])
        state = os.stat(os.path.join(self.folder, ".answers_other"))
        self.assertEqual((state.st_uid, state.st_gid), (65534, 65534))
        wrong = self.settings(other=service(user="daemon"))
        error = self.assertRaises(ConfigError, self.factory.make_spec, "other", wrong)
        self.assertIn("belongs to uid 65534, and the workers run as uid 1; remove it", str(error))


class PoolTests(FactoryTestCase):
    """Pools."""

    def pool(self, **settings: Any) -> Any:
        """The pool of ``home``."""
        configured = self.settings(home=service(**settings))
        spec = self.factory.make_spec("home", configured)
        return self.factory.make_pool("home", configured, spec, lambda reason: None)

    def test_workers(self) -> None:
        """A pool of workers listens on the path of the service, with the configured mode."""
        pool = self.pool()
        self.assertIsInstance(pool, Pool)
        self.addCleanup(pool.stopService)
        pool.bind()
        path = os.path.join(self.folder, "service_home.sock")
        self.assertEqual(os.lstat(path).st_mode & 0o777, 0o660)

    def test_passed(self) -> None:
        """A passed socket is the one that the workers get."""
        self.handed["home"] = [self.listening("home")]
        pool = self.pool()
        pool.startService()
        self.addCleanup(pool.stopService)
        [process] = self.reactor.started
        self.assertEqual(process.arguments["childFDs"][LISTENING_FD], self.handed["home"][0].fileno())

    def test_inline(self) -> None:
        """An inline pool can import from the folder of the configuration, last on the import path."""
        before = list(sys.path)
        self.patch(sys, "path", list(sys.path))
        for _ in range(2):
            self.assertIsInstance(self.pool(isolation="inline"), InlinePool)
        self.assertEqual(sys.path, [*before, self.folder])

    def test_long_path(self) -> None:
        """A path that is too long for a socket is refused."""
        settings = replace(self.settings(home=service()), socket_dir="/tmp/" + "x" * 100)  # noqa: S108
        spec = self.factory.make_spec("home", settings)
        self.assertRaises(ConfigError, self.factory.make_pool, "home", settings, spec, print)


class PassedSocketTests(FactoryTestCase):
    """Passed sockets have the paths that clients connect to."""

    def test_fit(self) -> None:
        """A passed socket with the right name and path is accepted."""
        check_passed_sockets({"home": [self.listening("home")]}, self.settings(home=service()))
        check_passed_sockets({}, self.settings(home=service()))

    def test_no_service(self) -> None:
        """A passed socket for no service, or for an inline one, is refused."""
        settings = self.settings(home=service(), debug=service(isolation="inline"))
        for name in "shop", "debug":
            passed = {name: [self.listening(name)]}
            error = self.assertRaises(ConfigError, check_passed_sockets, passed, settings)
            self.assertIn(f"'{name}'", str(error))
            self.assertIn("home", str(error))
            self.assertNotIn("debug,", str(error))

    def test_elsewhere(self) -> None:
        """A passed socket with another path is refused; the error names the right path."""
        other = self.listening("other")
        settings = self.settings(home=service())
        error = self.assertRaises(ConfigError, check_passed_sockets, {"home": [other]}, settings)
        for words in other.getsockname(), os.path.join(self.folder, "service_home.sock"):
            self.assertIn(words, str(error))

    def test_gateway(self) -> None:
        """The socket of the gateway has one of its addresses; the error names them."""
        web = self.listening("web")
        for listen, fits in ((web.getsockname(), True), (f"{self.folder}/other.sock", False)):
            http = Http(listen=("tcp:1", f"unix:{listen}"))
            settings = replace(self.settings(http=service()), gateways={"http": http})
            if fits:
                check_passed_sockets({"http": [web]}, settings)
            else:
                error = self.assertRaises(ConfigError, check_passed_sockets, {"http": [web]}, settings)
                self.assertIn(
                    f"listens on {web.getsockname()}; listen of [http] has tcp:1, unix:", str(error)
                )
