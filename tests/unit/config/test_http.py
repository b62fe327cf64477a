"""Tests of the HTTP settings."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.file import HttpTable
from unixsvc.config.http import Http, Listen, parse_listen
from unixsvc.config.loader import load_settings
from unixsvc.config.settings import ServiceOptions
from unixsvc.errors import ConfigError

USER = '[services.user]\napp = "user:app"\n'
HTTP = USER + '[http]\napp = "shop:app"\n'


class ListenTests(SynchronousTestCase):
    """Endpoint strings."""

    def test_tcp(self) -> None:
        """A port, with or without its name, an interface and a backlog."""
        expected = Listen("tcp", port=8080, interface="127.0.0.1", backlog=7)
        for text in (
            "tcp:8080:interface=127.0.0.1:backlog=7",
            "tcp:port=8080:backlog=7:interface=127.0.0.1",
        ):
            self.assertEqual(parse_listen(text), expected)
        self.assertEqual(parse_listen("tcp:0"), Listen("tcp"))

    def test_escapes(self) -> None:
        """Separators can be escaped, as in an IPv6 address."""
        self.assertEqual(parse_listen(r"tcp6:80:interface=\:\:1").interface, "::1")
        self.assertEqual(parse_listen(r"unix:/a\:b\=c\\d").path, r"/a:b=c\d")

    def test_unix(self) -> None:
        """A path is relative to the configuration, and has a mode."""
        found = parse_listen("unix:web.sock:mode=600", "/srv")
        self.assertEqual(found, Listen("unix", path="/srv/web.sock", mode=0o600))

    def test_ssl(self) -> None:
        """A key, its certificate in the same file or another, and intermediate certificates."""
        for text, expected in (
            ("ssl:443:privateKey=k.pem", ("/etc/k.pem", "/etc/k.pem", "")),
            ("ssl:443:privateKey=/k:certKey=c.pem:extraCertChain=i", ("/k", "/etc/c.pem", "/etc/i")),
        ):
            found = parse_listen(text, "/etc")
            self.assertEqual((found.private_key, found.certificate, found.chain), expected)

    def test_client_certificates(self) -> None:
        """An authority makes client certificates required; without one they cannot be verified."""
        usual = "ssl:443:privateKey=k.pem:clientCA=ca.pem"
        for more, expected in (("", "required"), (":clientCert=optional", "optional")):
            found = parse_listen(usual + more, "/etc")
            self.assertEqual((found.client_authorities, found.client_certificate), ("/etc/ca.pem", expected))
        for text, words in (
            ("ssl:443:privateKey=k.pem:clientCert=required", "add clientCA=FILE"),
            (f"{usual}:clientCert=maybe", "is not valid"),
            ("tcp:80:clientCA=ca.pem", "unknown parameter"),
        ):
            self.assertIn(words, str(self.assertRaises(ConfigError, parse_listen, text)))

    def test_other_orchestrator(self) -> None:
        """With a socket directory of its own, the gateway may mount services that are not configured here."""
        folder = tempfile.mkdtemp(dir="/tmp")  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, folder)
        text = '[http]\nsocket_dir = "../run/../other"\nmounts = {"/u" = "user:/user"}\n'
        Path(folder, "unixsvc.toml").write_text('socket_dir = "own"\n' + text)
        settings = load_settings(cwd=folder)
        self.assertEqual(settings.gateways["http"].socket_dir, os.path.join(os.path.dirname(folder), "other"))
        self.assertEqual(settings.socket_dir, os.path.join(folder, "own"))
        self.assertEqual([*settings.services], ["http"])

    def test_wrong(self) -> None:
        """An invalid endpoint string is refused; the error names the part."""
        for text, words in (
            ("", "endpoint type"), ("http:80", "endpoint type"), ("tcp", "no port"), ("tcp:eighty", "int"),
            ("tcp:65536", "65535"), ("tcp:80:host=x", "'host=x'"), ("tcp:1:2", "'2'"),
            ("ssl:443", "privateKey"), ("unix", "address"),
            ("unix:/x:mode=9", "base 8"), (f"unix:/{'x' * 107}", "is 108 bytes long"),
            ("tcp:80:backlog=0", "backlog"),
        ):  # fmt: skip
            self.assertIn(words, str(self.assertRaises(ConfigError, parse_listen, text)), text)

    def test_unescaped_colon(self) -> None:
        """A colon that cuts a value in two is refused; the error has the string with the colon escaped."""
        for text, escaped in (
            ("tcp:8208:interface=::1", r"tcp:8208:interface=\:\:1"),
            ("tcp6:80:interface=2001:db8::1:backlog=5", r"tcp6:80:interface=2001\:db8\:\:1:backlog=5"),
            ("unix:/run/web:10", r"unix:/run/web\:10"),
            ("unix:address=/a:b:c", r"unix:address=/a\:b\:c"),
            ("ssl:443:privateKey=/a:b.pem", r"ssl:443:privateKey=/a\:b.pem"),
        ):
            message = str(self.assertRaises(ConfigError, parse_listen, text))
            self.assertTrue(message.endswith(f"in single quotes: '{escaped}'"), message)
            parse_listen(escaped)

    def test_unnamed(self) -> None:
        """Only the first parameter may be without a name: no value becomes that of another parameter."""
        for text in (
            "tcp:8080:127.0.0.1",
            "tcp:127.0.0.1:8080",
            "tcp:8080:::1",
            "tcp:interface=x:80",
            "tcp:80:",
        ):
            message = str(self.assertRaises(ConfigError, parse_listen, text))
            self.assertIn("write each parameter after the first as name=value", message)

    def test_ambiguous(self) -> None:
        """Two values for one parameter, an empty value and an incomplete escape are refused."""
        for text, words in (
            ("tcp:80:port=90", "two values for port"),
            ("tcp:80:interface=127.0.0.1:interface=0.0.0.0", "two values for interface"),
            ("tcp:80:interface=", "interface is empty"), ("tcp:", "port is empty"),
            ("unix:/run/a\\", "backslash that escapes nothing"),
        ):  # fmt: skip
            self.assertIn(words, str(self.assertRaises(ConfigError, parse_listen, text)), text)

    def test_url(self) -> None:
        """An address is shown as a URL for a browser."""
        messages = {
            text: str(parse_listen(text))
            for text in (r"tcp:80:interface=\:\:1", "ssl:443:privateKey=k", "unix:/x")
        }
        self.assertEqual(list(messages.values()), ["http://[::1]:80", "https://0.0.0.0:443", "unix:/x"])


class HttpTableTests(SynchronousTestCase):
    """The fields of ``Http`` that the table repeats."""

    def test_fields(self) -> None:
        """The table has the fields of ``Http`` with their types and defaults, and the service options."""
        table = {field.name: field for field in msgspec.structs.fields(HttpTable)}
        own = {name: field for name, field in table.items() if name not in ServiceOptions.__struct_fields__}
        del own["app"]
        expected = {field.name: field for field in msgspec.structs.fields(Http)}
        types = {name: field.type for name, field in own.items()}
        self.assertEqual(types, {name: field.type for name, field in expected.items()})
        self.assertEqual(HttpTable().http(), Http())
        self.assertEqual(list(own), list(expected))


class TableTests(SynchronousTestCase):
    """The table ``[http]``."""

    def load(self, text: str, http: tuple[str, ...] | None = None) -> object:
        """Read a configuration."""
        folder = self.mktemp()
        Path(folder).mkdir()
        Path(folder, "unixsvc.toml").write_text(text)
        return load_settings(cwd=folder, http=http)

    def test_service(self) -> None:
        """The table configures a service with all options, and HTTP settings."""
        folder = self.mktemp()
        Path(folder).mkdir()
        more = 'workers = 3\nmounts = {"/u" = "user"}\ntoken = "off"\n'
        Path(folder, "unixsvc.toml").write_text(HTTP + more)
        settings = load_settings(cwd=folder)
        service = settings.services["http"]
        self.assertEqual((service.app, service.workers), ("shop:app", 3))
        self.assertEqual(service.handler, "unixsvc.rest.handler:HttpRequestHandler")
        http = settings.gateways["http"]
        self.assertEqual((http.mounts, http.token), ({"/u": "user"}, "off"))

    def test_connections_per_user(self) -> None:
        """The limit for each user is that of the table itself only: 0, which is none, by default."""
        general = "[limits]\nmax_connections_per_user = 5\nmax_connections = 9\n"
        for own, expected in (
            ("", 0),
            ("max_connections_per_user = 0\n", 0),
            ("max_connections_per_user = 7", 7),
        ):
            settings: Any = self.load(general + HTTP + own)
            limits = settings.services["http"].limits(settings.limits)
            self.assertEqual((limits.max_connections_per_user, limits.max_connections), (expected, 9))

    def test_allowed_hosts(self) -> None:
        """Names, wildcards and addresses can be listed."""
        hosts = '"a.example", "*.b.example", "*", "10.0.0.1", "::1", "[::1]", "localhost", "a_b.example"'
        self.load(HTTP + f"allowed_hosts = [{hosts}]\n")

    def test_trusted_proxies(self) -> None:
        """Addresses, networks and Unix sockets can be listed."""
        self.load(HTTP + 'trusted_proxies = ["unix", "127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"]\n')

    def test_forward_headers(self) -> None:
        """Headers for mounted services, and the header in which proxies report the client, can be chosen."""
        self.load(HTTP + 'forward_headers = ["X-Tenant", "Cookie"]\nproxy_header = "forwarded"\n')

    def test_without_app(self) -> None:
        """A gateway that only mounts services needs no application."""
        folder = self.mktemp()
        Path(folder).mkdir()
        Path(folder, "unixsvc.toml").write_text(USER + '[http]\nmounts = {"/u" = "user"}\n')
        self.assertEqual(load_settings(cwd=folder).services["http"].app, "unixsvc.routing.app:NOTHING")

    def test_wrong(self) -> None:
        """An error names the key and the problem."""
        for text, words in (
            (HTTP + "listen = []", "http.listen: is empty"),
            (HTTP + 'listen = ["tcp:x"]', "http.listen: 'tcp:x'"),
            (HTTP + 'listen = ["tcp:8208:interface=::1"]', r"'tcp:8208:interface=\:\:1'"),
            (
                HTTP + 'allowed_hosts = ["https://a.example"]',
                "'https://a.example' is not a host name; write it as",
            ),
            (HTTP + 'allowed_hosts = ["a.example:80"]', "http.allowed_hosts: 'a.example:80'"),
            (HTTP + 'allowed_hosts = ["*.*.example"]', "is not a host name"),
            (HTTP + 'allowed_hosts = ["a.*"]', "is not a host name"),
            (HTTP + 'allowed_hosts = [""]', "is not a host name"),
            (HTTP + 'trusted_proxies = ["nginx"]', "http.trusted_proxies: 'nginx' is not an address or a"),
            (HTTP + 'trusted_proxies = ["10.0.0.1/8"]', "'10.0.0.1/8' is not an address or a network; write"),
            (
                HTTP + 'forward_headers = ["a b"]',
                "http.forward_headers: 'a b' cannot be the name of a header",
            ),
            (
                HTTP + 'forward_headers = ["User"]',
                "'User' is an entry of meta that the gateway sets; remove it",
            ),
            (HTTP + 'forward_headers = ["client_address"]', "is an entry of meta that the gateway sets"),
            (HTTP + 'proxy_header = "x-real-ip"', "http.proxy_header"),
            (HTTP + 'handler = "x:y"', "http.handler is unknown"),
            (HTTP + 'depends_on = ["nobody"]', "no service 'nobody'"),
            (HTTP + '[services.http]\napp = "x:y"', "rename it"),
            (HTTP + '[http.cors]\norigins = ["*"]\ncredentials = true', "list the origins"),
            ("[http]\nworkers = 2", "neither an app nor mounts"),
            (HTTP + 'mounts = {"/u" = "uzer:/x"}', "'/u' leads to 'uzer:/x'; there are: user"),
            (HTTP + 'socket_dir = "/x"\nmounts = {"/u/{id}" = "user"}', "has a variable"),
            (HTTP + f'socket_dir = "/{"x" * 99}"\nmounts = {{"/u" = "a"}}', "at most 107"),
            (HTTP + 'mounts = {"/docs" = "user"}', "hides the documentation"),
            (HTTP + '[http.cors]\norigins = ["shop.example"]', "'shop.example' is not an origin"),
            (HTTP + '[http.cors]\norigins = ["https://shop.example/"]', "is not an origin"),
            (HTTP + '[http.cors]\norigins = ["null"]', "is not an origin"),
            (HTTP + '[http.cors]\nmethods = ["GET\\r\\nX: y"]', "cannot be in a header"),
            (HTTP + '[http.static."/"]', "has no folder"),
            (HTTP + '[http.static.assets]\nfolder = "x"', "http.static: 'assets' is not a path prefix"),
            (HTTP + '[http.static."/{a}"]\nfolder = "x"', "http.static: '/{a}' is not a path prefix"),
            (HTTP + '[http.static."/-/x"]\nfolder = "x"', "this prefix is reserved"),
            (HTTP + 'mounts = {"/u" = "user"}\n[http.static."/%75"]\nfolder = "x"', "hides the folder"),
            (HTTP + '[http.static."/"]\nfolder = "x"\nindex = "a/b"', "not the name of a file"),
            (HTTP + '[http.static."/"]\nfolder = "x"\nfallback = "../b"', "not a file in the folder"),
            (HTTP + '[http.static."/"]\nfolder = "x"\nfallback = "/b"', "not a file in the folder"),
            (HTTP + '[http.static."/"]\nfolder = "x"\ncontent_security_policy = "a\\nX: y"', "in a header"),
            (HTTP + '[http.static."/"]\nfolder = "x"\nfolders = "x"', "did you mean 'folder'?"),
            (HTTP + 'workers = "x"\ntoken = "y"', "http.token"),
        ):
            self.assertIn(words, str(self.assertRaises(ConfigError, self.load, text)), text)
