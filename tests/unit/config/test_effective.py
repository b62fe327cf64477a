"""The effective configuration as TOML."""

from __future__ import annotations

import tomllib
from datetime import date

import msgspec

from tests.unit.config.test_settings import FULL, SERVICE, ConfigTestCase
from unixsvc.config.effective import effective_toml
from unixsvc.config.loader import load_configuration, load_settings
from unixsvc.config.settings import ServiceSettings, Settings

MORE = """
[http]
app = "web:app"
mounts = { "/users" = "user:/user" }

[tokens.billing]
sha256 = ["271a413bd339c5709fdceaec41f14f11e9fbfb5042d72d331c65f32b284cd09a"]
services = ["user"]
"""


class EffectiveTests(ConfigTestCase):
    def shown(self, text: str) -> str:
        """The effective configuration of a file."""
        return effective_toml(load_configuration(self.write(text)), self.folder)

    def assert_line(self, text: str, line: str) -> None:
        """The effective configuration has a line."""
        self.assertIn(line, self.shown(text).splitlines())

    def settings(self, text: str) -> Settings:
        """The settings of a file, with the limits of each service as its own."""
        settings = load_settings(self.write(text))
        services = {
            name: msgspec.structs.replace(each, **msgspec.structs.asdict(each.limits(settings.limits)))
            for name, each in settings.services.items()
        }
        return msgspec.structs.replace(settings, services=services)

    def test_same(self) -> None:
        """The output is TOML, and the same configuration."""
        for text in (SERVICE, FULL + MORE):
            expected = self.settings(text)
            self.assertEqual(self.settings(self.shown(text)), expected)

    def test_complete(self) -> None:
        """Every key of a service is there, except those without a value."""
        table = tomllib.loads(self.shown(SERVICE))
        missing = set(ServiceSettings.__struct_fields__) - table["services"]["home"].keys()
        self.assertEqual(missing, {"rlimits"})
        self.assertEqual(table["socket_dir"], load_settings(f"{self.folder}/unixsvc.toml").socket_dir)

    def test_origins(self) -> None:
        """Each value has the file with its line, its variable, or that it is a default."""
        self.set_environment("UNIXSVC_LIMITS__BACKLOG", "7")
        self.set_environment("SHOWN_LEVEL", "warn")
        text = (
            '[log]\nlevel = "${SHOWN_LEVEL:-a secret}"\nfile = "x.log"\nloggers = { "shop.db" = "warn" }\n'
            + SERVICE
        )
        for line in (
            'app = "home:app"  # unixsvc.toml:7',
            'level = "warn"  # unixsvc.toml:2, ${SHOWN_LEVEL}',
            "workers = 1  # default",
            "backlog = 7  # the environment variable UNIXSVC_LIMITS__BACKLOG",
            "backlog = 7  # as in [limits]",
            f'file = "{self.folder}/x.log"  # unixsvc.toml:3',
            '"shop.db" = "warn"  # unixsvc.toml:4',
            f'token_file = "{self.folder}/.auth_token"  # default',
        ):
            self.assert_line(text, line)
        shown = effective_toml(load_configuration(self.write(text)), "", {"socket_dir": "--socket-dir"})
        self.assertRegex(shown, r'\Asocket_dir = ".*"  # --socket-dir\n')
        self.assertIn(f"# {self.folder}/unixsvc.toml:7", shown)

    def test_values(self) -> None:
        """Values of every type of TOML are written so that they are read again as they were."""
        options = (
            'text = "a\\"b\\\\\\n\\u007f ü $${x} $$$$ ^a$"\nnumbers = [1, -2.5, 1e300, inf, true]\n'
            "day = 2026-11-29\nat = 2026-11-29T15:33:00Z\nclock = 07:32:00\n"
            '"a.b c" = { d = [{}, { e = 1 }] }\n'
        )
        text = SERVICE + "[services.home.options]\n" + options
        before = load_settings(self.write(text)).services["home"].options
        self.assertEqual(before["text"], 'a"b\\\n\x7f ü ${x} $$ ^a$')
        self.assertEqual(before["day"], date(2026, 11, 29))
        self.assertEqual(load_settings(self.write(self.shown(text))).services["home"].options, before)

    def test_masked(self) -> None:
        """Secrets are masked: by the name of their key or variable, by their origin, by their form."""
        self.write("from-a-file", "store")
        self.set_environment("SHOWN_PASSWORD", "hunter2")
        self.set_environment("UNIXSVC_SERVICES__HOME__OPTIONS__SECRET_KEY", "from-a-variable")
        options = """
            a = "${file:store}"
            b = "${SHOWN_PASSWORD}"
            db_password = "plain1"
            c = { api_key = ["plain2"] }
            d = "postgres://u:plain3@host/x?y=z"
            e = ["host=h password=plain4 user=u"]
            f = [{ token = "plain5" }]
            auth = { x = 5551212 }
            u = "https://u:p@plain6@h/"
            none = "${SHOWN_NONE:-plain7}"
            pwd = true
            [services.home.environment]
            LANG = "C"
            MY_TOKEN = "plain8"
        """
        text = f"{SERVICE}[services.home.options]{options}"
        shown = self.shown(text)
        for secret in ("from-a", "hunter2", "5551212", *(f"plain{n}" for n in (1, 2, 3, 4, 5, 6, 8))):
            self.assertNotIn(secret, shown)
        table = tomllib.loads(shown)["services"]["home"]
        self.assertEqual(table["environment"], {"LANG": "C", "MY_TOKEN": "***"})
        self.assertEqual(table["options"]["d"], "postgres://u:***@host/x?y=z")
        self.assertEqual(table["options"]["e"], ["host=h password=*** user=u"])
        self.assertEqual((table["options"]["a"], table["options"]["pwd"]), ("***", "***"))
        self.assertEqual(shown.count("plain7"), 1)  # the value, and not the default again

    def test_not_masked(self) -> None:
        """Keys of the framework are no secrets, whatever their names."""
        text = SERVICE + MORE.replace("user", "home")
        shown = self.shown(text)
        self.assertNotIn("***", shown)
        self.assertIn('token = "private"  # default', shown)
