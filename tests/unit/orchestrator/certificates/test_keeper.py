"""The certificates of gateways, and their changes."""

from __future__ import annotations

import os
import shutil
from typing import Any, cast

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.certificates import write_certificate
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.certificates.keeper import CertificateKeeper
from unixsvc.orchestrator.worker.messages import SetCertificates

ENDPOINT = "ssl:0:privateKey=key.pem:certKey=certificate.pem"
OTHER = "ssl:1:privateKey=key.pem:certKey=certificate.pem"


class KeeperTests(SynchronousTestCase):
    """The keeper of a gateway with a certificate.

    :ivar sent: what was sent, with the service.
    """

    def setUp(self) -> None:
        """Make a certificate and start the keeper."""
        self.folder = os.path.abspath(self.mktemp())
        write_certificate(self.folder)
        self.clock = Clock()
        self.logged: list[Any] = []
        self.sent: list[tuple[SetCertificates, str]] = []
        gateways = {"http": Http(listen=("tcp:0", ENDPOINT)), "http-plain": Http()}
        self.settings = Settings(
            "unixsvc.toml", self.folder, self.folder, 0o600, "", Limits(), Security(), {}, Log(),
            gateways=gateways,
        )  # fmt: skip
        log = Logger("orchestrator", observer=cast(ILogObserver, self.logged.append))
        self.keeper = CertificateKeeper(self.clock, self.settings, log)
        self.keeper.load(self.settings)
        self.executed = succeed(None)
        self.keeper.start(self.send)
        self.addCleanup(self.keeper.stop)

    def send(self, command: SetCertificates, service: str) -> Deferred[None]:
        """Send certificates to workers that do not exist."""
        self.sent.append((command, service))
        return self.executed

    def renew(self) -> str:
        """Write another key and certificate; the certificate."""
        _, path = write_certificate(self.folder)
        with open(path, encoding="ascii") as file:
            return file.read()

    def pass_time(self) -> None:
        """Let the keeper look at the files until it believes what it sees."""
        self.clock.pump([2.0] * 3)

    def current(self) -> str:
        """The certificate in use."""
        return self.keeper.current("http")[ENDPOINT].chain

    def test_load(self) -> None:
        """The endpoints with TLS have certificates; a gateway without TLS, and another service, have none."""
        self.assertEqual([*self.keeper.current("http")], [ENDPOINT])
        self.assertEqual((self.keeper.current("http-plain"), self.keeper.current("home")), ({}, {}))
        self.assertIn("BEGIN CERTIFICATE", self.current())

    def test_unusable(self) -> None:
        """At the start, files that cannot be used are an error."""
        os.unlink(f"{self.folder}/key.pem")
        keeper = CertificateKeeper(self.clock, self.settings)
        self.assertIn("key.pem", str(self.assertRaises(ConfigError, keeper.load, self.settings)))

    def test_changed(self) -> None:
        """A changed certificate is sent to the workers of its gateway once, and logged in one line."""
        renewed = self.renew()
        self.pass_time()
        self.assertEqual(self.current(), renewed)
        [(command, service)] = self.sent
        self.assertEqual((command.certificates[ENDPOINT].chain, service), (renewed, "http"))
        [event] = self.logged
        self.assertEqual((event["log_level"].name, event["name"]), ("info", "http"))
        self.assertNotIn("PRIVATE", repr(command))

    def test_logged_when_used(self) -> None:
        """It is logged when the workers use it, not when it is sent."""
        self.executed = Deferred()
        self.renew()
        self.pass_time()
        self.assertEqual((len(self.sent), self.logged), (1, []))
        self.executed.callback(None)
        self.assertEqual(len(self.logged), 1)

    def test_between_files(self) -> None:
        """While a key is written and its certificate is not yet, nothing happens."""
        old = self.current()
        fresh = self.mktemp()
        write_certificate(fresh)
        self.clock.advance(1.0)
        shutil.copy(f"{fresh}/key.pem", self.folder)
        self.clock.advance(1.0)
        shutil.copy(f"{fresh}/certificate.pem", self.folder)
        self.clock.advance(2.0)
        self.assertEqual((self.current(), self.logged), (old, []))
        self.clock.advance(2.0)
        self.assertNotEqual(self.current(), old)
        self.assertEqual(len(self.logged), 1)

    def test_broken(self) -> None:
        """A broken file leaves the certificate in use, and is logged once; a good one is used then."""
        old = self.current()
        with open(f"{self.folder}/certificate.pem", "w", encoding="ascii") as file:
            file.write("nonsense")
        self.pass_time()
        self.pass_time()
        self.assertEqual((self.current(), self.sent), (old, []))
        [event] = self.logged
        self.assertEqual(event["log_level"].name, "error")
        self.assertIn("certificate.pem", event["error"])
        renewed = self.renew()
        self.pass_time()
        self.assertEqual((self.current(), len(self.sent)), (renewed, 1))

    def test_touched(self) -> None:
        """A file that was written again with the same content changes nothing."""
        os.utime(f"{self.folder}/certificate.pem", (1, 1))
        self.pass_time()
        self.assertEqual((self.sent, self.logged), ([], []))

    def test_link(self) -> None:
        """A change is noticed where a link to a folder leads to another one, as in Kubernetes and certbot."""
        for name in ("one", "two"):
            write_certificate(f"{self.folder}/{name}")
        os.symlink("one", f"{self.folder}/now")
        for name in ("key.pem", "certificate.pem"):
            os.unlink(f"{self.folder}/{name}")
            os.symlink(f"now/{name}", f"{self.folder}/{name}")
        self.pass_time()
        before = self.current()
        os.symlink("two", f"{self.folder}/later")
        os.rename(f"{self.folder}/later", f"{self.folder}/now")
        self.pass_time()
        self.assertNotEqual(self.current(), before)

    def test_reload(self) -> None:
        """A reload reads the files at once; the watch does not read them again."""
        renewed = self.renew()
        self.keeper.load(self.settings)
        self.assertEqual((self.current(), len(self.sent)), (renewed, 1))
        self.pass_time()
        self.assertEqual((len(self.sent), self.logged), (1, []))

    def test_broken_at_reload(self) -> None:
        """A reload fails if a file is broken, and the certificate stays."""
        old = self.current()
        os.unlink(f"{self.folder}/key.pem")
        self.assertRaises(ConfigError, self.keeper.load, self.settings)
        self.keeper.load(self.settings, "home")
        self.assertEqual((self.current(), self.sent), (old, []))

    def test_other_endpoint(self) -> None:
        """After a reload that changes the addresses, old workers still find the certificate of theirs."""
        new = replace(self.settings, gateways={"http": Http(listen=(OTHER,))})
        self.keeper.load(new)
        self.assertEqual([*self.keeper.current("http")], [ENDPOINT, OTHER])
        self.assertEqual(self.sent, [])
