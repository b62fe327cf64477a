"""The tokens of a running system, and their changes."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any, cast

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.config.settings import Limits, Log, NamedToken, Security, ServiceSettings, Settings
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.tokens.interfaces import ITokens, ServiceAccess, TokenEntry
from unixsvc.orchestrator.tokens.keeper import TokenKeeper
from unixsvc.orchestrator.tokens.state import load_state
from unixsvc.orchestrator.worker.messages import SetTokens
from unixsvc.security.access import AcceptedToken, digest_of
from unixsvc.security.token_file import read_token, write_private

TOKEN, OTHER = "ab" * 32, "cd" * 32
BILLING = NamedToken("ef" * 32, ("shop",), ("GET /items",))


class KeeperTestCase(SynchronousTestCase):
    """Has a folder with a token file, and a keeper of its token.

    :ivar sent: what was sent to the workers, with the token that the file had then.
    :ivar logged: the events of the log.
    """

    def setUp(self) -> None:
        """Start the keeper."""
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.file = os.path.join(self.folder, ".auth_token")
        write_private(self.file, TOKEN)
        self.clock = Clock()
        self.sent: list[tuple[SetTokens, str]] = []
        self.logged: list[Any] = []
        self.environ: dict[str, str] = {}
        self.settings = Settings(
            "unixsvc.toml", self.folder, self.folder, 0o600, self.file, Limits(), Security(), {}, Log(),
            tokens={"billing": BILLING},
        )  # fmt: skip
        self.keeper = self.started()

    def started(self) -> TokenKeeper:
        """Another keeper, as after a restart of the orchestrator."""
        keeper = TokenKeeper(
            self.clock,
            self.settings,
            environ=self.environ,
            now=lambda: 1000.0 + self.clock.seconds(),
            log=Logger("orchestrator", observer=cast(ILogObserver, self.logged.append)),
        )
        keeper.load(self.settings)
        keeper.start(self.send)
        self.addCleanup(keeper.stop)
        return keeper

    def send(self, tokens: SetTokens) -> Awaitable[None]:
        """Record it."""
        self.sent.append((tokens, read_token(self.file) if os.path.isfile(self.file) else ""))
        return succeed(None)

    def do(self, change: Deferred[None]) -> None:
        """Wait for a change; raise its error."""
        self.successResultOf(change)

    def reload(self, settings: Settings) -> None:
        """Reload the configuration."""
        self.do(Deferred.fromCoroutine(self.keeper.reload(settings)))

    def fails(self, change: Deferred[None], kind: type[Exception]) -> str:
        """The text of the error that a change ends with."""
        return str(self.failureResultOf(change, kind).value)

    def shared(self, tokens: SetTokens | None = None) -> list[str]:
        """The digests of the shared tokens that are valid, the current one first."""
        tokens = tokens or self.keeper.current()
        return [digest_of(tokens.token), *(each.sha256 for each in tokens.tokens if each.name == "default")]

    def named(self) -> list[str]:
        """The names of the other valid tokens."""
        return [each.name for each in self.keeper.current().tokens if each.name != "default"]

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of a second."""
        self.clock.pump([1.0] * int(seconds))

    def lines(self, level: str) -> list[str]:
        """The formats of the events of a level."""
        return [event["log_format"] for event in self.logged if event["log_level"].name == level]


class LoadTests(KeeperTestCase):
    """The tokens at the start."""

    def test_file(self) -> None:
        """The shared token is that of the file; the others are those of the configuration."""
        self.assertEqual(
            self.keeper.current(),
            SetTokens(TOKEN, (AcceptedToken("billing", "ef" * 32, ("shop",), ("GET /items",)),)),
        )
        self.assertNotIn(TOKEN, repr(self.keeper.current()))

    def test_several_digests(self) -> None:
        """A named token with two digests, as while it is replaced, is valid with both."""
        self.settings = replace(self.settings, tokens={"billing": NamedToken(("a" * 64, "b" * 64), ("*",))})
        tokens = self.started().current().tokens
        self.assertEqual([each.sha256 for each in tokens], ["a" * 64, "b" * 64])

    def test_environment(self) -> None:
        """A token of the environment comes before the file; the file is neither made nor looked at."""
        self.environ["UNIXSVC_TOKEN"] = OTHER
        os.unlink(self.file)
        keeper = self.started()
        self.assertEqual(keeper.current().token, OTHER)
        self.assertFalse(os.path.exists(self.file))
        write_private(self.file, TOKEN)
        self.wait(5)
        self.assertEqual(keeper.current().token, OTHER)

    def test_wrong_routes(self) -> None:
        """A pattern that is not one is named."""
        self.settings = replace(self.settings, tokens={"billing": NamedToken("a" * 64, ("*",), ("items",))})
        error = self.assertRaises(ConfigError, self.started)
        self.assertIn("unixsvc.toml: tokens.billing.routes: 'items': is not a path", str(error))

    def test_interface(self) -> None:
        """The keeper provides the interface."""
        self.assertTrue(verifyObject(ITokens, self.keeper))

    def test_access(self) -> None:
        """A client that calls a service needs the shared token and the timeout of the service."""
        services = {"shop": ServiceSettings("shop:app", request_timeout=7.0)}
        self.reload(replace(self.settings, services=services))
        access = self.keeper.access("shop")
        self.assertEqual(access, ServiceAccess(TOKEN, 7.0))
        self.assertNotIn(TOKEN, repr(access))
        self.assertEqual(self.keeper.access("").request_timeout, Limits().request_timeout)


class RotateTests(KeeperTestCase):
    """Replacing the shared token."""

    def test_overlap(self) -> None:
        """Both tokens are valid until the overlap ends; the file has the new one."""
        self.do(self.keeper.rotate(3600.0))
        new = read_token(self.file)
        self.assertNotEqual(new, TOKEN)
        self.assertEqual(self.keeper.current().token, new)
        self.assertEqual(self.shared(), [digest_of(new), digest_of(TOKEN)])
        self.wait(3599)
        self.assertEqual(self.shared(), [digest_of(new), digest_of(TOKEN)])
        self.wait(1)
        self.assertEqual(self.shared(), [digest_of(new)])
        self.assertEqual(self.shared(self.sent[-1][0]), [digest_of(new)])

    def test_order(self) -> None:
        """Every worker accepts the new token before it is in the file, and before a worker sends it."""
        self.do(self.keeper.rotate(0.0))
        new = read_token(self.file)
        steps = [(self.shared(tokens), file) for tokens, file in self.sent]
        old_digest, new_digest = digest_of(TOKEN), digest_of(new)
        self.assertEqual(
            steps,
            [
                ([old_digest, new_digest], TOKEN),
                ([new_digest, old_digest], new),
                ([new_digest], new),
            ],
        )

    def test_restart(self) -> None:
        """The overlap goes on after a restart, and ends at the same time."""
        self.do(self.keeper.rotate(100.0))
        self.keeper.stop()
        self.wait(50)
        self.keeper = self.started()
        self.assertEqual(len(self.shared()), 2)
        self.wait(50)
        self.assertEqual(len(self.shared()), 1)
        self.keeper.stop()
        self.assertEqual(load_state(f"{self.file}.state").previous, ())

    def test_twice(self) -> None:
        """Several previous tokens are valid, each for its own time."""
        self.do(self.keeper.rotate(5.0))
        second = read_token(self.file)
        self.do(self.keeper.rotate(10.0))
        self.assertEqual(len(self.shared()), 3)
        self.wait(5)
        self.assertEqual(self.shared(), [digest_of(read_token(self.file)), digest_of(second)])
        self.wait(5)
        self.assertEqual(len(self.shared()), 1)

    def test_shorter_overlap(self) -> None:
        """A shorter overlap is for the earlier tokens as well: without one, only the new token is valid."""
        self.do(self.keeper.rotate(3600.0))
        self.do(self.keeper.rotate(60.0))
        self.wait(60)
        self.assertEqual(len(self.shared()), 1)
        self.do(self.keeper.rotate(3600.0))
        self.do(self.keeper.rotate(0.0))
        self.assertEqual(self.shared(self.sent[-1][0]), [digest_of(read_token(self.file))])

    def test_elsewhere(self) -> None:
        """A token that is not in the token file is not replaced."""
        self.environ["UNIXSVC_TOKEN"] = OTHER
        problem = self.fails(self.started().rotate(0.0), Conflict)
        self.assertIn("is from the environment variable UNIXSVC_TOKEN: change it there", problem)
        self.assertEqual(read_token(self.file), TOKEN)

    def test_published(self) -> None:
        """A file that root has published read-only is not replaced."""
        if os.geteuid() != 0:
            raise SkipTest("only root can publish a token")
        os.chmod(self.file, 0o444)
        self.assertIn(
            f"is from {self.file}: change it there", self.fails(self.started().rotate(0.0), Conflict)
        )

    def test_failure(self) -> None:
        """If the file cannot be written, the old token stays, and it alone."""
        os.unlink(self.file)
        os.mkdir(self.file)
        self.assertIn("cannot be replaced", self.fails(self.keeper.rotate(60.0), Conflict))
        self.assertEqual(self.shared(), [digest_of(TOKEN)])
        self.assertEqual(self.shared(self.sent[-1][0]), [digest_of(TOKEN)])
        self.assertEqual(load_state(f"{self.file}.state").previous, ())


class FileTests(KeeperTestCase):
    """Changes of the token file by others."""

    def test_changed(self) -> None:
        """Another token in the file is used within five seconds; the old one is not valid then."""
        write_private(self.file, OTHER)
        self.wait(5)
        self.assertEqual(self.shared(), [digest_of(OTHER)])
        digests = [self.shared(tokens) for tokens, _ in self.sent]
        old, new = digest_of(TOKEN), digest_of(OTHER)
        self.assertEqual(digests, [[old, new], [new, old], [new]])
        self.assertEqual(
            self.lines("warn"), ["{file} has another token: it is valid now, the old one is not"]
        )

    def test_unchanged(self) -> None:
        """The same token in a new file is no change."""
        write_private(self.file, TOKEN)
        self.wait(9)
        self.assertEqual((self.sent, self.logged), ([], []))

    def test_invalid(self) -> None:
        """With an invalid or a missing file the old token stays valid; the log says so once."""
        for change in (lambda: write_private(self.file, "nonsense"), lambda: os.unlink(self.file)):
            self.logged.clear()
            change()
            self.wait(20)
            self.assertEqual(self.shared(), [digest_of(TOKEN)])
            [event] = self.logged
            self.assertEqual(event["log_level"].name, "error")
            self.assertIn("the earlier token stays valid; for a new one: unixsvc tok", event["log_format"])
            self.assertEqual(event["where"], self.file)
        self.do(self.keeper.rotate(0.0))
        self.assertEqual(self.shared(), [digest_of(read_token(self.file))])

    def test_in_several_steps(self) -> None:
        """A file that changes between two looks is being written: it is read when it has stayed the same."""
        for text in ("", "nonsense", TOKEN[:10], OTHER):
            write_private(self.file, text)
            self.assertEqual((self.sent, self.lines("error")), ([], []))
            self.wait(2)
        self.wait(2)
        self.assertEqual((self.shared(), self.lines("error")), ([digest_of(OTHER)], []))

    def test_reload(self) -> None:
        """A reload reads the file at once."""
        write_private(self.file, OTHER)
        self.reload(self.settings)
        self.assertEqual(self.shared(), [digest_of(OTHER)])

    def test_rotated(self) -> None:
        """The keeper's own change of the file is not taken for one of others."""
        self.do(self.keeper.rotate(60.0))
        count = len(self.sent)
        self.wait(20)
        self.assertEqual((len(self.sent), len(self.shared())), (count, 2))


class RevokeTests(KeeperTestCase):
    """Revoking named tokens."""

    def test_revoked(self) -> None:
        """A revoked token is not valid, also after a reload and a restart, though it is configured."""
        self.assertEqual(
            self.keeper.entries(),
            [
                TokenEntry("default", ("*",), (), "valid"),
                TokenEntry("billing", ("shop",), ("GET /items",), "valid"),
            ],
        )
        self.do(self.keeper.revoke("billing"))
        self.assertEqual(self.keeper.entries()[1].state, "revoked")
        self.assertEqual(self.named(), [])
        self.assertEqual(self.sent[-1][0].tokens, ())
        self.reload(self.settings)
        self.assertEqual(self.named(), [])
        self.keeper = self.started()
        self.assertEqual(self.named(), [])
        self.assertIn("{where}: is revoked; remove it, or use a new token", self.lines("warn"))

    def test_new_token(self) -> None:
        """A new token may have the name of a revoked one."""
        self.do(self.keeper.revoke("billing"))
        new = replace(self.settings, tokens={"billing": NamedToken("a" * 64, ("shop",))})
        self.reload(new)
        self.assertEqual([each.sha256 for each in self.keeper.current().tokens], ["a" * 64])

    def test_removed(self) -> None:
        """A token that is removed from the configuration is not valid after the reload."""
        self.reload(replace(self.settings, tokens={}))
        self.assertEqual(self.named(), [])
        self.assertEqual(self.sent[-1][0].tokens, ())

    def test_unknown(self) -> None:
        """An unknown name is refused with the known ones; the shared token is replaced instead."""
        self.assertIn("there are: billing", self.fails(self.keeper.revoke("other"), NotFound))
        self.assertIn("token rotate --overlap 0", self.fails(self.keeper.revoke("default"), Conflict))

    def test_not_stored(self) -> None:
        """If the revocation cannot be stored, it holds all the same, and the error says for how long."""
        os.mkdir(f"{self.file}.state")
        problem = self.fails(self.keeper.revoke("billing"), Conflict)
        self.assertIn("is revoked until the orchestrator ends", problem)
        self.assertIn("remove tokens.billing", problem)
        self.assertEqual((self.named(), self.sent[-1][0].tokens), ([], ()))
