"""References in strings, without files: the reader is a function of the test."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.file import ConfigFile
from unixsvc.config.sources.references import UnresolvedReference, resolve
from unixsvc.errors import ConfigError

ENVIRON = {
    "NAME": "shop", "EMPTY": "", "N": "4", "YES": "true", "PORTS": '["tcp:1", "tcp:2"]', "TRAP": "1\nx = 2",
    "BYTES": "\udcff", "NESTED": "${NAME}", "UID": "1000",
}  # fmt: skip


def _read(kind: str, place: str) -> str:
    if place == "absent":
        raise ConfigError(place, "there is none", "make it")
    return f"<{kind} {place}>"


class ReferenceTests(SynchronousTestCase):
    def resolved(self, table: dict[str, Any]) -> dict[str, Any]:
        """A table without its references."""
        return resolve(table, ConfigFile, ENVIRON, _read, "x.toml: ").table

    def text(self, text: str) -> Any:
        """A text without its references."""
        return self.resolved({"socket_dir": text})["socket_dir"]

    def refused(self, kind: type[ConfigError], table: dict[str, Any]) -> str:
        """The message of a table that is refused."""
        return str(self.assertRaises(kind, self.resolved, table))

    def test_variable(self) -> None:
        """A reference is replaced by the value of a variable, wherever in the text it is."""
        self.assertEqual(self.text("${NAME}"), "shop")
        self.assertEqual(self.text("/run/${NAME}/${N}.d"), "/run/shop/4.d")
        self.assertEqual(self.text("${EMPTY}"), "")

    def test_default(self) -> None:
        """The default stands for a variable that is unset or empty, and may itself be empty."""
        self.assertEqual(self.text("${NAME:-x}"), "shop")
        self.assertEqual(self.text("${NONE:-a:-b c}"), "a:-b c")
        self.assertEqual(self.text("${EMPTY:-x}"), "x")
        self.assertEqual(self.text("a${NONE:-}b"), "ab")
        self.assertEqual(self.text("${NONE:-$$5}"), "$5")

    def test_dollar(self) -> None:
        """Two dollar signs are one; a single one stays as it is where no brace follows."""
        self.assertEqual(self.text("$${NAME}"), "${NAME}")
        self.assertEqual(self.text("$$$${NAME}"), "$${NAME}")
        self.assertEqual(self.text("$$${NAME}"), "$shop")
        self.assertEqual(self.text("^a$ $NAME 5$"), "^a$ $NAME 5$")

    def test_once(self) -> None:
        """Values are not searched for further references."""
        self.assertEqual(self.text("${NESTED}"), "${NAME}")

    def test_files(self) -> None:
        """The content of files and credentials is inserted."""
        self.assertEqual(self.text("a${file:/run/secrets/b c}d"), "a<file /run/secrets/b c>d")
        self.assertEqual(self.text("${credential:db}"), "<credential db>")
        self.assertEqual(self.text("${file:-x}${credential:-y}"), "xy")  # variables with these names

    def test_types(self) -> None:
        """A reference becomes a value of the type of its key; text stays text."""
        service = {
            "app": "${N}", "workers": "${N}", "essential": "${YES}", "drain_timeout": "${NONE:-1.5}",
            "max_inflight": "${N}", "umask": "${NONE:-027}", "rlimits": {"open_files": "${NONE:-1_000}"},
            "environment": {"N": "${N}"}, "options": {"size": "${N}", "list": ["${N}", 1]},
        }  # fmt: skip
        found = self.resolved(
            {
                "services": {"x": service},
                "http": {"listen": "${PORTS}", "docs": "${NONE:-false}"},
                "security": {"allow_uids": [0, "${UID}"]},
                "control": {"allow_uids": ["${UID}", "root"]},
                "limits": "${NONE:-{ backlog = 5 }",
            }
            | {"limits": {"backlog": "${N}"}}
        )
        self.assertEqual(
            found["services"]["x"],
            {
                "app": "4", "workers": 4, "essential": True, "drain_timeout": 1.5, "max_inflight": 4,
                "umask": "027", "rlimits": {"open_files": 1000}, "environment": {"N": "4"},
                "options": {"size": "4", "list": ["4", 1]},
            },
        )  # fmt: skip
        self.assertEqual(found["http"], {"listen": ["tcp:1", "tcp:2"], "docs": False})
        self.assertEqual(found["security"], {"allow_uids": [0, 1000]})
        self.assertEqual(found["control"], {"allow_uids": ["1000", "root"]})
        self.assertEqual(found["limits"], {"backlog": 4})
        self.assertEqual(self.resolved({"services": {"x": {"workers": "${NONE:-auto}"}}}), {
            "services": {"x": {"workers": "auto"}}
        })  # fmt: skip

    def test_one_value(self) -> None:
        """A value cannot add further keys."""
        found = self.resolved({"limits": {"backlog": "${TRAP}"}})
        self.assertEqual(found, {"limits": {"backlog": "1\nx = 2"}})

    def test_references(self) -> None:
        """The references of each key are known, without their defaults."""
        table = {"socket_dir": "${NAME}/${A:-secret}", "tokens": {"x": {"services": ["${N}", "${file:b}"]}}}
        resolved = resolve({**table, "token_file": "$$"}, ConfigFile, ENVIRON, _read, "x.toml: ")
        expected = {"socket_dir": ("${NAME}", "${A}"), "tokens.x.services": ("${N}", "${file:b}")}
        self.assertEqual(resolved.references, expected)

    def test_unset(self) -> None:
        """A variable that is not set is an error of one line with the file, the key and the variable."""
        message = self.refused(UnresolvedReference, {"services": {"x": {"options": {"a": ["${NONE}"]}}}})
        expected = "x.toml: services.x.options.a: the environment variable NONE is not set; "
        self.assertEqual(message, expected + "set it, or write ${NONE:-default}")
        message = self.refused(
            UnresolvedReference, {"socket_dir": "${A}", "token_file": "${file:absent}", "log": "${BYTES}"}
        )
        for words in (
            "x.toml: socket_dir: the environment variable A is not set",
            "; token_file: ${file:absent}: there is none; make it",
            "; log: the environment variable BYTES is not valid UTF-8",
        ):
            self.assertIn(words, message)

    def test_invalid(self) -> None:
        """A brace after a dollar sign that starts no reference is an error, which says what to write."""
        for text in ("${", "${}", "${1}", "${A", "${A-b}", "${A:b}", "${A:-${B}}", "${file:}", "${a b}"):
            message = self.refused(ConfigError, {"socket_dir": text})
            self.assertIn(
                "x.toml: socket_dir: '${' does not start a valid reference; write ${NAME}, ", message
            )
