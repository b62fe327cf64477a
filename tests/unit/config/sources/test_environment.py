"""Environment variables that stand for keys, without a process environment."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.file import ConfigFile, parse_layers
from unixsvc.config.sources.environment import add_variables, is_table_variable
from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.errors import ConfigError

HOME = {"services": {"home": {"app": "home:app"}}}


class VariableTests(SynchronousTestCase):
    def layers(self, table: dict[str, Any], **variables: str) -> Layers:
        """A file with variables over it; the names are without ``UNIXSVC_``."""
        layers = Layers("x.toml")
        layers.add(Layer("x.toml", table, "text"))
        add_variables(layers, ConfigFile, {f"UNIXSVC_{name}": text for name, text in variables.items()})
        return layers

    def table(self, table: dict[str, Any], **variables: str) -> dict[str, Any]:
        """The result of variables over a file."""
        return self.layers(table, **variables).table

    def refused(self, **variables: str) -> str:
        """The message about wrong variables."""
        return str(self.assertRaises(ConfigError, lambda: parse_layers(self.layers(HOME, **variables))))

    def test_typed(self) -> None:
        """A text becomes a value of the type of its key."""
        found = self.table(
            {}, LIMITS__BACKLOG="5", LIMITS__IDLE_TIMEOUT="2.5", LOG__LEVEL="debug", HTTP__DOCS="false",
            HTTP__LISTEN='["tcp:8080"]', HTTP__MOUNTS='{ "/a" = "home" }', SECURITY__ALLOW_UIDS="[0, 7]",
            SERVICES__HOME__APP="123", SERVICES__HOME__UMASK="027", SERVICES__HOME__WORKERS="4",
            SERVICES__USER__WORKERS="auto", HTTP__CORS__MAX_AGE="1_000", TOKENS__CI__SHA256="ab",
            SERVICES__HOME__RLIMITS__OPEN_FILES="64",
        )  # fmt: skip
        expected = {
            "limits": {"backlog": 5, "idle_timeout": 2.5},
            "log": {"level": "debug"},
            "http": {
                "docs": False,
                "listen": ["tcp:8080"],
                "mounts": {"/a": "home"},
                "cors": {"max_age": 1000},
            },
            "security": {"allow_uids": [0, 7]},
            "services": {
                "home": {"app": "123", "umask": "027", "workers": 4, "rlimits": {"open_files": 64}},
                "user": {"workers": "auto"},
            },
            "tokens": {"ci": {"sha256": "ab"}},
        }
        self.assertEqual(found, expected)
        self.assertEqual(
            self.table({}, TOKENS__CI__SHA256='["ab", "cd"]'), {"tokens": {"ci": {"sha256": ["ab", "cd"]}}}
        )

    def test_top(self) -> None:
        """Keys outside of tables have one underscore; other variables with one are not keys."""
        found = self.table(
            {}, SOCKET_DIR="/run/x", SOCKET_MODE="0600", TOKEN_FILE="t", TOKEN="secret", WORKER="1",
            PORT="tcp://10.0.0.1:80", SERVICES="x", LIMITS="x", FULL="1",
        )  # fmt: skip
        self.assertEqual(found, {"socket_dir": "/run/x", "socket_mode": "0600", "token_file": "t"})
        layers = Layers("x.toml")
        add_variables(layers, ConfigFile, {"_UNIXSVC_A__B": "1", "unixsvc_a__b": "1", "XUNIXSVC_A__B": "1"})
        self.assertEqual(layers.table, {})

    def test_existing_names(self) -> None:
        """The name of an existing table is found whatever its punctuation; a new one is in lower case."""
        both: dict[str, Any] = {"services": {"my-shop": {}, "a__b": {}, "a": {}}}
        found = self.table(both, SERVICES__MY_SHOP__APP="x:y", SERVICES__A__B__APP="p:q")
        self.assertEqual(found["services"], {"my-shop": {"app": "x:y"}, "a__b": {"app": "p:q"}, "a": {}})
        self.assertEqual(self.table({}, SERVICES__MY_SHOP__APP="x"), {"services": {"my_shop": {"app": "x"}}})
        ambiguous: dict[str, Any] = {"services": {"a-b": {}, "a_b": {}}}
        error = self.assertRaises(ConfigError, self.table, ambiguous, SERVICES__A_B__APP="x")
        expected = "the environment variable UNIXSVC_SERVICES__A_B__APP: may stand for 'a-b' or 'a_b'"
        self.assertIn(expected, str(error))

    def test_environment(self) -> None:
        """Variables of a service keep their names."""
        found = self.table(HOME, SERVICES__HOME__ENVIRONMENT__TZ="UTC", SERVICES__HOME__ENVIRONMENT__No="1")
        self.assertEqual(found["services"]["home"]["environment"], {"TZ": "UTC", "No": "1"})

    def test_options(self) -> None:
        """An option has the type of the value that it replaces; a new one is a string."""
        options = {"size": 1, "pool": {"on": True, "names": []}, "text": "x"}
        prefix = "SERVICES__HOME__OPTIONS__"
        variables = {"SIZE": "2", "POOL__ON": "false", "POOL__NAMES": '["a"]', "TEXT": "3", "POOL__NEW": "4"}
        found = self.table(
            {"services": {"home": {"options": options}}},
            **{prefix + name: text for name, text in variables.items()},
        )
        expected = {"size": 2, "pool": {"on": False, "names": ["a"], "new": "4"}, "text": "3"}
        self.assertEqual(found["services"]["home"]["options"], expected)

    def test_literal(self) -> None:
        """A value has no references: a password may contain anything."""
        found = self.table({}, SOCKET_DIR="a$$b${C}")
        self.assertEqual(found, {"socket_dir": "a$$b${C}"})

    def test_unknown(self) -> None:
        """A variable that stands for no key is named, with a similar key."""
        for name, words in (
            ("LIMITS__BACKLGO", "limits.backlgo is unknown (did you mean 'backlog'?)"),
            ("LIMIT__BACKLOG", "limit is unknown (did you mean 'limits'?)"),
            ("_SOCKET_DIR", "_socket_dir is unknown (did you mean 'socket_dir'?)"),
            ("SERVICES__HOME__WORKER", "services.home.worker is unknown (did you mean 'workers'?)"),
            ("LIMITS__BACKLOG__X", "limits.backlog expected `int`, got `object`"),
        ):
            message = self.refused(**{name: "1"})
            self.assertIn(f"the environment variable UNIXSVC_{name}: {words}", message)
            self.assertEqual(message.count("\n"), 0)

    def test_wrong(self) -> None:
        """A value of a wrong type is named with its variable, and is not shown."""
        message = self.refused(LIMITS__BACKLOG="x", HTTP__LISTEN="tcp:80", SECURITY__TOKEN="hunter2")
        self.assertIn(
            "the environment variable UNIXSVC_LIMITS__BACKLOG: limits.backlog expected `int`", message
        )
        self.assertIn("UNIXSVC_HTTP__LISTEN: http.listen expected `array`, got `str`", message)
        self.assertIn("UNIXSVC_SECURITY__TOKEN: security.token has an invalid value", message)
        self.assertTrue(message.endswith("; write numbers, lists and tables as in TOML"), message)
        self.assertNotIn("hunter2", message)
        self.assertIn("is not valid UTF-8", self.refused(SOCKET_DIR="\udcff"))
        self.assertIn("services.new.app is required", self.refused(SERVICES__NEW__WORKERS="1"))

    def test_some_keys(self) -> None:
        """Clients take some keys at the top only."""
        layers = Layers("x.toml")
        variables = {"UNIXSVC_SOCKET_DIR": "d", "UNIXSVC_SECURITY__TOKEN": "off", "UNIXSVC_LIMIT__X": "1"}
        add_variables(layers, ConfigFile, variables, ("socket_dir", "security"))
        self.assertEqual(layers.table, {"socket_dir": "d", "security": {"token": "off"}})

    def test_is_table_variable(self) -> None:
        """Variables for keys in tables have two underscores."""
        found = [
            each
            for each in ("UNIXSVC_A__B", "UNIXSVC__A", "UNIXSVC_TOKEN", "A__B")
            if is_table_variable(each)
        ]
        self.assertEqual(found, ["UNIXSVC_A__B", "UNIXSVC__A"])
