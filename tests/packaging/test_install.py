"""Each way to install the project gives a demo that runs."""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.packaging.environments import Environment, build, call_demo, copy_source, pythons, run

_HELLO = {"message": "Hello World!"}


class InstallTestCase(SynchronousTestCase):
    """A test with a copy of the source and an empty folder to work in."""

    def setUp(self) -> None:
        """Copy the source."""
        folder = tempfile.TemporaryDirectory(prefix="unixsvc-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.source = copy_source(self.folder / "source")
        self.empty = self.folder / "empty"
        self.empty.mkdir()

    def build(self, kind: str, source: Path | None = None) -> Path:
        """Build a distribution of the copy, or of another source."""
        target = Path(tempfile.mkdtemp(dir=self.folder))
        return build(source or self.source, kind, target)

    def assertRuns(self, programs: Path) -> None:
        """The demo of an installation starts, answers, and stops."""
        self.assertEqual(json.loads(call_demo(programs, self.empty)), _HELLO)


class InstallTests(InstallTestCase):
    def test_wheel(self) -> None:
        """The wheel runs on every supported Python of this machine; the others are named."""
        wheel, found = self.build("wheel"), pythons()
        self.assertIn(f"{sys.version_info[0]}.{sys.version_info[1]}", found)
        for version, python in found.items():
            environment = Environment(self.folder / version, python)
            environment.install(wheel)
            self.assertRuns(environment.programs)
        sys.stdout.write(f"the wheel runs on Python {', '.join(found)} ")

    def test_sdist(self) -> None:
        """The source distribution installs, and holds everything that its wheel has."""
        sdist = self.build("sdist")
        self.assertEqual(self.build("wheel", sdist).read_bytes(), self.build("wheel").read_bytes())
        environment = Environment(self.folder / "environment")
        environment.install(sdist)
        self.assertRuns(environment.programs)

    def test_sdist_files(self) -> None:
        """The source distribution has all files of the project but those of its version control and CI."""
        with tarfile.open(self.build("sdist")) as archive:
            packed = {each.name.partition("/")[2] for each in archive if each.isfile()}
        files = {str(each.relative_to(self.source)) for each in self.source.rglob("*") if each.is_file()}
        missing = {each for each in files - packed if not each.startswith(".")}
        self.assertEqual(missing, set())

    def test_editable(self) -> None:
        """``pip install -e .`` finds the plugin, and runs what is edited."""
        environment = Environment(self.folder / "environment")
        environment.install("-e", self.source)
        self.assertRuns(environment.programs)
        controllers = self.source / "unix_app" / "home" / "controllers.py"
        controllers.write_text(controllers.read_text().replace("Hello World!", "Edited"))
        self.assertEqual(json.loads(call_demo(environment.programs, self.empty)), {"message": "Edited"})

    def test_pipx(self) -> None:
        """``pipx install --include-deps`` puts ``twistd`` and ``unixsvc`` on the path."""
        variables = {f"PIPX_{name}": str(self.folder / name) for name in ("HOME", "BIN_DIR", "MAN_DIR")}
        pipx = Path(sys.executable).with_name("pipx")
        run(pipx, "install", "--include-deps", self.build("wheel"), folder=self.empty, environment=variables)
        self.assertRuns(self.folder / "BIN_DIR")

    def test_tool(self) -> None:
        """``uv tool install`` does the same."""
        variables = {"UV_TOOL_DIR": str(self.folder / "tools"), "UV_TOOL_BIN_DIR": str(self.folder / "bin")}
        uv = Path(sys.executable).with_name("uv")
        wheel = self.build("wheel")
        run(uv, "tool", "install", "--with-executables-from", "twisted", wheel, folder=self.empty,
            environment=variables)  # fmt: skip
        self.assertRuns(self.folder / "bin")

    def test_shared_files(self) -> None:
        """Manual pages and completions are where man and the shells look for those of a program."""
        environment = Environment(self.folder / "environment")
        environment.install(self.build("wheel"))
        shared = environment.programs.parent / "share"
        self.assertIn("unixsvc call", shared.joinpath("man", "man1", "unixsvc-call.1").read_text())
        script = shared / "bash-completion" / "completions" / "unixsvc"
        asked = f". {script}; COMP_WORDS=(unixsvc relo); COMP_CWORD=1; _unixsvc_completion {{}}"
        command = asked.format(environment.programs / "unixsvc") + '; printf "%s" "${COMPREPLY[@]}"'
        self.assertEqual(run("bash", "-c", command, folder=self.empty).stdout, "reload")
        for name in ("zsh/site-functions/_unixsvc", "fish/vendor_completions.d/unixsvc.fish"):
            self.assertIn("unixsvc", shared.joinpath(name).read_text())

    def test_sbom(self) -> None:
        """The software bill of materials names each distribution that is installed, with its version."""
        environment = Environment(self.folder / "environment")
        environment.install(self.build("wheel"))
        tool = Path(sys.executable).with_name("cyclonedx-py")
        command = "environment", "--pyproject", self.source / "pyproject.toml", environment.programs.parent
        bill = json.loads(run(tool, *command, folder=self.empty).stdout)
        named = {
            each["name"]: each["version"] for each in [bill["metadata"]["component"], *bill["components"]]
        }
        site = next(environment.programs.parent.glob("lib/python3.*/site-packages"))
        found = metadata.distributions(path=[str(site)])
        self.assertEqual(named, {each.metadata["Name"]: each.version for each in found})
        self.assertIn("Twisted", named)

    def test_reproducible(self) -> None:
        """Two builds of one source are equal to the byte, whatever the times of the files."""
        first = self.build("wheel")
        for each in self.source.rglob("*.py"):
            each.touch()
        self.assertEqual(self.build("wheel").read_bytes(), first.read_bytes())


class ClientTests(InstallTestCase):
    def test_clients(self) -> None:
        """``unixsvc-client`` calls a service from an environment without Twisted."""
        server, client = Environment(self.folder / "server"), Environment(self.folder / "client")
        server.install(self.source)
        client.install(self.build("wheel", self.source / "client"))
        code = """if True:
            import asyncio, json, sys
            from unixsvc import aio, blocking
            from unixsvc.errors import NotFound, Unavailable
            async def main():
                async with aio.Client("home") as home:
                    return await home.get("/")
            with blocking.Client("home") as home:
                answers = [home.get("/"), asyncio.run(main())]
                try:
                    home.get("/none")
                except NotFound as error:
                    answers.append(error.code)
            try:
                blocking.Client("none", timeout=0.1).get("/")
            except Unavailable as error:
                answers.append(error.code)
            assert not {"twisted", "click"} & sys.modules.keys()
            print(json.dumps(answers))
        """
        script = self.folder / "client" / "script.py"
        script.write_text(code)
        call = client.programs / "python", script
        self.assertEqual(json.loads(call_demo(server.programs, self.empty, call)), [_HELLO, _HELLO, 404, 503])
