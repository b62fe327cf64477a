"""Several gateways: the tables ``[http.NAME]``."""

from __future__ import annotations

import tomllib

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.effective import effective_toml
from unixsvc.config.gateways import table_of
from unixsvc.config.loader import load_configuration, load_settings
from unixsvc.config.schema import file_schema
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError

HOME = SERVICE + "\n"
PUBLIC = '[http]\napp = "shop:app"\nlisten = ["tcp:80"]\n'
INTERNAL = '[http.internal]\napp = "ops:app"\nlisten = ["unix:/run/i.sock"]\n'


class GatewayTests(ConfigTestCase):
    """A table in ``[http]`` that has not the name of a key is a gateway of its own."""

    def read(self, text: str, http: tuple[str, ...] | None = None) -> Settings:
        """The settings of a file."""
        return load_settings(self.write(HOME + text), http=http)

    def refusal(self, text: str) -> str:
        """The error of a file."""
        return str(self.assertRaises(ConfigError, self.read, text))

    def test_alone(self) -> None:
        """The table ``[http]`` alone is the gateway ``http``."""
        self.assertEqual([*self.read(PUBLIC).gateways], ["http"])
        self.assertEqual(self.read("").gateways, {})

    def test_both(self) -> None:
        """Each gateway is a service with settings of its own; it has none of ``[http]``."""
        text = PUBLIC + 'workers = 3\nmax_inflight = 5\n[http.cors]\norigins = ["https://a.example"]\n'
        settings = self.read(text + INTERNAL + 'token = "required"\n[http.internal.mounts]\n"/h" = "home"\n')
        self.assertEqual([*settings.services], ["home", "http", "http-internal"])
        http, internal = settings.gateways["http"], settings.gateways["http-internal"]
        self.assertEqual((http.listen, http.token, http.mounts), (("tcp:80",), "private", {}))
        self.assertEqual(http.cors.origins, ("https://a.example",))
        self.assertEqual((internal.listen, internal.token), (("unix:/run/i.sock",), "required"))
        self.assertEqual((internal.mounts, internal.cors.origins), ({"/h": "home"}, ()))
        services = settings.services
        self.assertEqual([services[each].workers for each in settings.gateways], [3, 1])
        self.assertEqual([services[each].app for each in settings.gateways], ["shop:app", "ops:app"])
        self.assertEqual(services["http-internal"].limits(settings.limits).max_inflight, 1024)
        tables = [table_of(each, settings.gateways) for each in settings.services]
        self.assertEqual(tables, ["services.home", "http", "http.internal"])

    def test_only_names(self) -> None:
        """If ``[http]`` has no key of its own, it is no gateway."""
        settings = self.read(INTERNAL + '[http.public-api]\nmounts = { "/" = "home" }\n')
        self.assertEqual([*settings.gateways], ["http-internal", "http-public-api"])
        error = str(self.assertRaises(ConfigError, self.read, INTERNAL, http=("tcp:0",)))
        self.assertIn("has no table [http]", error)

    def test_command_line(self) -> None:
        """Addresses of the command line are those of ``[http]``; without HTTP there is no gateway."""
        found = self.read(PUBLIC + INTERNAL, http=("tcp:81",)).gateways
        self.assertEqual([each.listen for each in found.values()], [("tcp:81",), ("unix:/run/i.sock",)])
        settings = self.read(PUBLIC + INTERNAL, http=())
        self.assertEqual(([*settings.services], settings.gateways), (["home"], {}))

    def test_names_of_keys(self) -> None:
        """No gateway has the name of a key; the error says so, or which key may be meant."""
        for text, words in (
            (
                '[http.cors]\napp = "a:b"\n',
                "[http.cors] is a key of [http], so no gateway can have this name",
            ),
            ('[http.docs]\napp = "a:b"\n', "http.docs expected `bool`"),
            ('[http.cor]\norigins = ["*"]\n', "gateway of its own; did you mean 'http.cors'?"),
            ('[http.mount]\n"/u" = "home"\n', "gateway of its own; did you mean 'http.mounts'?"),
            ('[http.internal]\nap = "a:b"\n', "http.internal.ap is unknown (did you mean 'app'?)"),
            (
                "[http.internal.cors]\norigin = []\n",
                "http.internal.cors.origin is unknown (did you mean 'origins'?)",
            ),
            ("[http]\ninternal = 1\n", "http.internal is unknown"),
        ):
            self.assertIn(words, self.refusal(text), text)

    def test_wrong(self) -> None:
        """An error names the table."""
        for text, words in (
            ("[http.internal]\nworkers = 2\n", "http.internal: has neither an app nor mounts"),
            (INTERNAL + "docs = 1\n", "http.internal.docs expected `bool`"),
            (INTERNAL + 'trusted_proxies = ["x"]\n', "http.internal.trusted_proxies: 'x' is not"),
            ('[http.Internal]\napp = "a:b"\n', "http.Internal: is not a valid service name"),
            (f'[http.{"x" * 60}]\napp = "a:b"\n', "is not a valid service name"),
            (
                INTERNAL + '[services.http-internal]\napp = "a:b"\n',
                "has the name of the table [http.internal]",
            ),
            (
                PUBLIC + '[http.b]\napp = "b:b"\nlisten = ["tcp:80"]\n',
                "http.b.listen: 'tcp:80' is an address of [http] too",
            ),
            (
                INTERNAL + '[http.b]\napp = "b:b"\nlisten = ["unix:/run/../run/i.sock"]\n',
                "is an address of [http.internal] too",
            ),
            ('[http.a]\napp = "a:b"\n[http.b]\napp = "b:b"\n', "is an address of [http.a] too"),
        ):
            self.assertIn(words, self.refusal(text), text)
        self.read('[http.a]\napp = "a:b"\nlisten = ["tcp:0"]\n[http.b]\napp = "b:b"\nlisten = ["tcp:0"]\n')

    def test_others_name_it(self) -> None:
        """Tokens and dependencies name the service of a gateway."""
        token = f'[tokens.t]\nsha256 = "{"a" * 64}"\nservices = ["http-internal"]\n'
        self.read(INTERNAL + token)
        self.assertIn("there is no service 'http-internal'", self.refusal(PUBLIC + token))
        self.read(PUBLIC + 'depends_on = ["http-internal"]\n' + INTERNAL)

    def test_depends_on_mounts(self) -> None:
        """A gateway depends on the services that it mounts, each once, after those that it names."""
        more = '[services.user]\napp = "user:app"\n[services.shop]\napp = "shop:app"\n'
        mounts = 'mounts = { "/h" = "home", "/i" = "home:/i", "/u" = "user:/" }\n'
        for depends_on, expected in (
            ("", ("home", "user")),
            ('depends_on = ["user", "shop"]\n', ("user", "shop", "home")),
        ):
            services = self.read(more + INTERNAL + mounts + depends_on).services
            self.assertEqual(services["http-internal"].depends_on, expected)
        elsewhere = more + INTERNAL + mounts + 'socket_dir = "/run/other"\n'
        self.assertEqual(self.read(elsewhere).services["http-internal"].depends_on, ())

    def test_mounted_service_depends_on_gateway(self) -> None:
        """A dependency that the file names comes before that of a mount, also through other services."""
        more = '[services.user]\napp = "user:app"\ndepends_on = ["home", "http"]\n'
        found = self.read(more + PUBLIC + 'mounts = { "/u" = "user", "/h" = "home" }\n').services
        self.assertEqual([found[each].depends_on for each in ("http", "user")], [("home",), ("home", "http")])
        text = more.replace('"http"', '"shop"') + '[services.shop]\napp = "shop:app"\n'
        text += 'depends_on = ["http-internal"]\n' + INTERNAL + 'mounts = { "/u" = "user" }\n'
        self.assertEqual(self.read(text).services["http-internal"].depends_on, ())

    def test_gateways_mount_in_a_circle(self) -> None:
        """Mounts of several gateways make no circle, whichever of them is read first."""
        more = '[services.user]\napp = "user:app"\ndepends_on = ["http-internal"]\n'
        more += '[services.shop]\napp = "shop:app"\ndepends_on = ["http"]\n'
        text = more + PUBLIC + 'mounts = { "/u" = "user" }\n' + INTERNAL + 'mounts = { "/s" = "shop" }\n'
        found = self.read(text).services
        self.assertEqual([found[each].depends_on for each in ("http", "http-internal")], [("user",), ()])

    def test_variables(self) -> None:
        """Environment variables and references stand for keys of a gateway."""
        self.set_environment("UNIXSVC_HTTP__INTERNAL__WORKERS", "4")
        self.set_environment("UNIXSVC_HTTP__WORKERS", "5")
        self.set_environment("DOCS", "false")
        settings = self.read(PUBLIC + INTERNAL + 'docs = "${DOCS}"\n')
        self.assertEqual([settings.services[each].workers for each in settings.gateways], [5, 4])
        self.assertFalse(settings.gateways["http-internal"].docs)

    def test_development(self) -> None:
        """The table ``[dev]`` may have keys of a gateway too."""
        path = self.write(HOME + INTERNAL + "[dev.http.internal]\nworkers = 7\n")
        self.assertEqual(load_settings(path, development=True).services["http-internal"].workers, 7)
        self.assertEqual(load_settings(path).services["http-internal"].workers, 1)

    def test_effective(self) -> None:
        """The effective configuration has every gateway, and is the same configuration."""
        for text in (PUBLIC + INTERNAL, INTERNAL):
            shown = effective_toml(load_configuration(self.write(HOME + text)))
            table = tomllib.loads(shown)["http"]
            self.assertEqual((table["internal"]["app"], "app" in table), ("ops:app", text != INTERNAL))
            self.assertEqual(table["internal"]["request_timeout"], 30.0)
            settings = self.read(text)
            again = load_settings(self.write(shown))
            self.assertEqual(again.gateways, settings.gateways)
            self.assertEqual([*again.services], [*settings.services])

    def test_schema(self) -> None:
        """The schema for editors knows the tables, and their names."""
        tables = file_schema()["definitions"]["HttpTables"]
        self.assertEqual(tables["additionalProperties"], {"$ref": "#/definitions/HttpTable"})
        self.assertIn("cors", tables["properties"])
