"""Which services a changed file belongs to."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.dev.code_map import ALL, CodeMap, find_code, make_code_map
from unixsvc.config.loader import load_settings

_MAP = CodeMap(
    {"a": ["/p/a"], "b": ["/p/b", "/other/handlers"], "single": ["/p/single.py"]}, "/p", ["/p/x.toml"]
)


class AffectedTests(SynchronousTestCase):
    """The place of a file decides."""

    def test_own(self) -> None:
        """A file below the code of a service reloads that service only."""
        self.assertEqual(_MAP.affected({"/p/a/x/y.py"}), ["a"])
        self.assertEqual(_MAP.affected({"/other/handlers/h.py"}), ["b"])
        self.assertEqual(_MAP.affected({"/p/single.py"}), ["single"])

    def test_several(self) -> None:
        """Files of several services reload them in the order of their start; of every one, all at once."""
        self.assertEqual(_MAP.affected({"/p/b/x.py", "/p/a/x.py", "/p/a/y.py"}), ["a", "b"])
        self.assertEqual(_MAP.affected({"/p/b/x.py", "/p/a/x.py", "/p/single.py"}), ALL)

    def test_nested(self) -> None:
        """A file of a package within the package of another service belongs to both."""
        nested = CodeMap({"outer": ["/p/a"], "inner": ["/p/a/b"], "other": []}, "/p", [])
        self.assertEqual(nested.affected({"/p/a/b/x.py"}), ["outer", "inner"])
        self.assertEqual(nested.affected({"/p/a/x.py"}), ["outer"])

    def test_shared(self) -> None:
        """A file of no service below the folder of the configuration reloads all of them."""
        self.assertEqual(_MAP.affected({"/p/helpers.py", "/p/a/x.py"}), ALL)
        self.assertEqual(_MAP.affected({"/p/ab/x.py"}), ALL)

    def test_configuration(self) -> None:
        """The configuration reloads all services."""
        self.assertEqual(_MAP.affected({"/p/x.toml"}), ALL)

    def test_nothing(self) -> None:
        """Tests, and files elsewhere, reload nothing; without a configuration there is no shared code."""
        for path in ("/p/tests/unit/x.py", "/p/test_a.py", "/p/conftest.py", "/elsewhere/x.py", "/pp/x.py"):
            self.assertEqual(_MAP.affected({path}), [], path)
        self.assertEqual(CodeMap({"a": ["/p/a"]}, "", []).affected({"/p/x.py"}), [])

    def test_test_within_a_package(self) -> None:
        """A test within the package of a service is code of that service."""
        self.assertEqual(_MAP.affected({"/p/a/tests/x.py"}), ["a"])

    def test_watched(self) -> None:
        """No folder below another one is watched."""
        self.assertEqual(_MAP.watched, ["/other/handlers", "/p"])


class FindTests(SynchronousTestCase):
    """The code of a service is found without executing any."""

    def setUp(self) -> None:
        """Make a package, a module and a namespace package that raise if they are imported."""
        self.folder = Path(self.mktemp()).resolve()
        for each in ("shop/__init__.py", "shop/user/__init__.py", "shop/api.py", "single.py", "plain/mod.py"):
            path = self.folder / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("raise RuntimeError('executed')")

    def test_places(self) -> None:
        """The folder of the package of a module, or the file of a module that has none."""
        for spec, place in (
            ("shop:app", "shop"),
            ("shop.user:app", "shop/user"),
            ("shop.api:app", "shop"),
            ("plain.mod:app", "plain"),
            ("single:app", "single.py"),
        ):
            self.assertEqual(find_code(spec, [str(self.folder)]), str(self.folder / place), spec)

    def test_missing(self) -> None:
        """A module that does not exist, or is part of Python, has no code."""
        for spec in ("nothing:app", "shop.nothing:app", "single.nothing:app", "sys:app"):
            self.assertIsNone(find_code(spec, [str(self.folder)]), spec)

    def test_services(self) -> None:
        """Each service has the code of its application and its handler, but none of the framework."""
        text = """socket_dir = "run"
[services.one]
app = "shop.user:app"
handler = "single:Handler"
depends_on = ["two"]
[services.two]
app = "shop.api:app"
"""
        config = self.folder / "unixsvc.toml"
        config.write_text(text)
        code = make_code_map(load_settings(str(config)), [])
        self.assertEqual(list(code.code), ["two", "one"])
        self.assertEqual(code.code["one"], [str(self.folder / each) for each in ("shop/user", "single.py")])
        self.assertEqual(code.code["two"], [str(self.folder / "shop")])
        self.assertEqual((code.folder, code.config), (str(self.folder), [str(config)]))
