"""The table ``[nats]``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.nats import Nats, NatsAccess, check_nats, read_nats_access
from unixsvc.errors import ConfigError

_SERVERS = ("nats://127.0.0.1:4222",)


class NatsTests(SynchronousTestCase):
    def check(self, table: Nats) -> Nats:
        """Check a table."""
        return check_nats(table, frozenset({"shop"}), "unixsvc.toml", "/etc/shop")

    def refused(self, *words: str, **keys: object) -> None:
        """A table with these keys is refused, in a message with these words."""
        table = Nats(**{"servers": _SERVERS, **keys})  # type: ignore[arg-type]  # of any kind
        error = self.assertRaises(ConfigError, self.check, table)
        for word in words:
            self.assertIn(word, str(error))

    def test_none(self) -> None:
        """Without servers there is no cluster, and no other key."""
        self.assertEqual(self.check(Nats()), Nats())
        self.refused("nats.servers", "is missing", servers=(), host="a")

    def test_defaults(self) -> None:
        """The host has the name of the machine, as one token, and exports nothing."""
        table = self.check(Nats(_SERVERS))
        self.assertEqual(table.host.replace("-", ""), "".join(c for c in os.uname().nodename if c.isalnum()))
        self.assertFalse(table.exports("shop"))

    def test_exports(self) -> None:
        """Services are exported by name, or all of them; they exist."""
        self.assertTrue(self.check(Nats(_SERVERS, export=("shop",))).exports("shop"))
        self.assertTrue(self.check(Nats(_SERVERS, export=("*",))).exports("other"))
        self.assertFalse(self.check(Nats(_SERVERS, export=("*",))).exports("nats"))
        self.refused("nats.export", "'shpo'", "shop", export=("shpo",))

    def test_servers(self) -> None:
        """A server is a URL without a secret."""
        for url in ("localhost:4222", "http://x:4222", "nats://", "nats://x:99999", "nats://[x"):
            self.refused("nats.servers", url, servers=(url,))
        self.refused("nats.servers", "secret", servers=("nats://a:b@x:4222",))

    def test_login(self) -> None:
        """There is one way to log in, and what belongs together is together."""
        self.refused("nats.token_file", "credentials", credentials="a", token_file="b")
        self.refused("nats.password_file", "is missing", user="a")
        self.refused("nats.user", "is missing", password_file="a")
        self.refused("nats.tls_key", "is missing", tls_cert="a")

    def test_names(self) -> None:
        """The prefix is a subject, the host one part of it."""
        self.assertEqual(self.check(Nats(_SERVERS, prefix="shop.test", host="a_1")).host, "a_1")
        for prefix in ("", "a.", "a b", "a.*", "a.>"):
            self.refused("nats.prefix", prefix=prefix)
        for host in ("a.b", "a b", "*"):
            self.refused("nats.host", host=host)

    def test_files(self) -> None:
        """Files are beside the configuration; their contents go to the worker, and not into a log."""
        folder = Path(self.mktemp())
        folder.mkdir()
        folder.joinpath("token").write_text("secret\n")
        table = check_nats(Nats(_SERVERS, token_file="token"), frozenset(), "unixsvc.toml", str(folder))
        access = read_nats_access(table)
        self.assertEqual(access, NatsAccess(table, token="secret"))
        self.assertNotIn("secret", repr(access))
        folder.joinpath("token").unlink()
        self.assertIn("No such file", str(self.assertRaises(ConfigError, read_nats_access, table)))
