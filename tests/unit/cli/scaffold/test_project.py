"""The files of new projects."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import sys
import tomllib
import unittest
from pathlib import Path
from string import Template
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.scaffold.names import ProjectName
from unixsvc.cli.scaffold.project import create_project, project_files
from unixsvc.config.loader import load_settings
from unixsvc.config.schema import file_schema
from unixsvc.errors import ConfigError
from unixsvc.routing.app import load_app

# The names of modules stay in this process, so that they are not those of a project that a test could mean.
NAME: Final = ProjectName.parse("ScaffoldSample", [])
LONGEST: Final = ProjectName.parse("a" * 31, [])


class ProjectTestCase(SynchronousTestCase):
    def create(self, *, http: bool = False) -> Path:
        """Create a project, and put it on the import path; its folder."""
        parent = Path(self.mktemp())
        parent.mkdir()
        folder = parent.resolve() / NAME.folder
        create_project(folder, project_files(NAME, http=http, version=""))
        sys.path.append(str(folder))
        self.addCleanup(self.forget, str(folder))
        return folder

    def forget(self, folder: str) -> None:
        """Take the modules of a project out of this process."""
        sys.path.remove(folder)
        for name in [each for each in sys.modules if each.partition(".")[0] == NAME.package]:
            del sys.modules[name]


class TextsTests(ProjectTestCase):
    def test_placeholders(self) -> None:
        """No placeholder is left, except for variables of the shell, of Docker and of the CI."""
        for http in (False, True):
            for path, text in project_files(NAME, http=http, version="").items():
                left = set(re.findall(r"\$[A-Za-z{(]\w*", path + text))
                known = (
                    {"$schema", "$ref"}
                    if path.endswith(".json")
                    else {"$PATH", "${PYTHON", "${", "$(unixsvc"}
                )
                self.assertLessEqual(left, known, path)

    def test_every_template(self) -> None:
        """Each template is used by a project with HTTP."""
        folder = Path(str(sys.modules[project_files.__module__].__file__)).with_name("templates")
        files, parts = project_files(NAME, http=True, version=""), list(folder.glob("http/*"))
        self.assertEqual(
            len(list(folder.rglob("*.tmpl"))), len(files) + len(parts) - 1
        )  # the schema has none
        for part in parts:
            text = Template(part.read_text("utf-8")).substitute(name=NAME.service).strip()
            self.assertTrue(any(text in each for each in files.values()), part)

    def test_python(self) -> None:
        """Every module compiles, also under the longest name, and no line is too long for ruff."""
        for name in (NAME, LONGEST):
            files = project_files(name, http=True, version="")
            width = tomllib.loads(files["pyproject.toml"])["tool"]["ruff"]["line-length"]
            for path, text in files.items():
                if path.endswith(".py"):
                    compile(text, path, "exec")
                    self.assertLessEqual(max(map(len, text.splitlines())), width, path)

    def test_layout(self) -> None:
        """Each file ends with one line end, and has no blank lines at its ends or at the ends of lines."""
        for http in (False, True):
            for path, text in project_files(NAME, http=http, version="").items():
                if not path.endswith("py.typed"):
                    self.assertEqual(text.strip() + "\n", text, path)
                self.assertNotRegex(text, r" \n|\n\n\n\n|[^\S\n]\Z", path)

    def test_metadata(self) -> None:
        """The project is a distribution of the service's name, and needs unixsvc from this version on."""
        for version, needed in (("1.4.2", "unixsvc>=1.4"), ("0.3.dev1+x", "unixsvc>=0.3"), ("", "unixsvc")):
            files = project_files(NAME, http=False, version=version)
            project = tomllib.loads(files["pyproject.toml"])["project"]
            self.assertEqual(project["name"], "scaffold-sample")
            self.assertIn(needed, project["dependencies"])

    def test_unit(self) -> None:
        """The unit has one value for each key, and the paths of the configuration for production."""
        files = project_files(NAME, http=False, version="")
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
        # A list of what is allowed, and one of exceptions.
        text = re.sub(
            "^SystemCallFilter=~.*\n", "", files["deploy/scaffold-sample.service"], flags=re.MULTILINE
        )
        unit.read_string(text)
        settings = tomllib.loads(files["deploy/production.toml"])
        self.assertEqual("/run/" + unit["Service"]["RuntimeDirectory"], settings["socket_dir"])
        state = "/var/lib/" + unit["Service"]["StateDirectory"]
        database = settings["services"]["scaffold-sample"]["options"]["database"]
        self.assertEqual({os.path.dirname(settings["token_file"]), os.path.dirname(database)}, {state})


class ApplicationTests(ProjectTestCase):
    def test_configuration(self) -> None:
        """Alone and below that of production it names the application; with HTTP, the gateway mounts it."""
        for http in (False, True):
            folder = self.create(http=http)
            one, other = folder / "unixsvc.toml", folder / "deploy" / "production.toml"
            for config in ([one], [one, other]):
                settings = load_settings(config)
                self.assertEqual(list(settings.services), ["scaffold-sample", *(["http"] if http else [])])
                load_app(settings.services["scaffold-sample"].app)
                mounts = [each.mounts for each in settings.gateways.values()]
                self.assertEqual(mounts, [{"/items": "scaffold-sample"}] if http else [])

    def test_places(self) -> None:
        """Sockets, token and data are in the folder of the project, and in production outside of it."""
        folder = self.create()
        production = [folder / "unixsvc.toml", folder / "deploy" / "production.toml"]
        for config, outside in ((production[:1], False), (production, True)):
            settings = load_settings(config)
            database = settings.services["scaffold-sample"].options["database"]
            for place in (settings.socket_dir, settings.token_file, folder / str(database)):
                self.assertNotEqual(Path(place).is_relative_to(folder), outside, place)

    def test_schema(self) -> None:
        """The configurations refer to the schema of this version, which editors find by a relative path."""
        folder = self.create()
        for name in ("unixsvc.toml", "deploy/production.toml"):
            path = folder / name
            first = path.read_text().partition("\n")[0]
            schema = path.parent / first.removeprefix("#:schema ")
            self.assertEqual(json.loads(schema.read_text()), json.loads(json.dumps(file_schema())))

    def test_tests(self) -> None:
        """The tests of a new project pass."""
        folder = self.create()
        result = unittest.TestResult()
        for path in sorted((folder / "tests").glob("test_*.py")):
            # Under a name of its own, as "tests" is a package of this project.
            found = importlib.util.spec_from_file_location(f"{NAME.package}.{path.stem}", path)
            assert found is not None
            assert found.loader is not None
            module = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
            unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
        self.assertEqual([text for _, text in result.failures + result.errors], [])
        self.assertGreater(result.testsRun, 10)


class CreateTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Choose a folder."""
        self.parent = Path(self.mktemp())
        self.parent.mkdir()
        self.folder = self.parent / "shop"

    def assertRefused(self, words: str) -> None:
        """The project is refused with these words, and nothing is left of it."""
        before = sorted(self.parent.rglob("*"))
        error = self.assertRaises(ConfigError, create_project, self.folder, {"a/b": "text"})
        self.assertIn(words, str(error))
        self.assertEqual(sorted(self.parent.rglob("*")), before)

    def test_files(self) -> None:
        """Files are written with their folders, which get the modes of any new folder."""
        create_project(self.folder, {"a/b": "é"})
        self.assertEqual((self.folder / "a" / "b").read_text("utf-8"), "é")
        self.assertEqual(self.folder.stat().st_mode, (self.folder / "a").stat().st_mode)
        self.assertEqual(list(self.parent.iterdir()), [self.folder])

    def test_empty_folder(self) -> None:
        """An empty folder becomes the project."""
        self.folder.mkdir()
        create_project(self.folder, {"a": ""})
        self.assertEqual([each.name for each in self.folder.iterdir()], ["a"])

    def test_in_use(self) -> None:
        """A folder with files, also hidden ones, a file, and a symbolic link are not touched."""
        self.folder.mkdir()
        (self.folder / ".git").touch()
        self.assertRefused("exists, and is not an empty folder")
        (self.folder / ".git").unlink()
        self.folder.rmdir()
        self.folder.touch()
        self.assertRefused("exists, and is not an empty folder")
        self.folder.unlink()
        self.folder.symlink_to(self.mktemp())
        self.assertRefused("exists, and is not an empty folder")

    def test_cannot_be_written(self) -> None:
        """A failure leaves no files, and is one line."""
        self.parent.joinpath("file").touch()
        self.folder = self.parent / "missing" / "shop"
        self.assertRefused("cannot be created: No such file or directory")
        self.folder = self.parent / ("x" * 300)
        self.assertRefused("cannot be created: File name too long")
