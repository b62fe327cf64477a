"""The files in ``deploy/systemd``, read by systemd's own programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.examples.blocks import ROOT
from unixsvc.cli.scaffold.names import ProjectName
from unixsvc.cli.scaffold.project import project_files

UNITS: Final = ROOT / "deploy" / "systemd"
# "systemd-analyze security" gives each unit up to 10 points, which rise with what it may do.
_EXPOSURE: Final = 1.3
_WITHOUT_NETWORK: Final = 0.9
_OTHER_USERS: Final = 2.5


class UnitFileTests(SynchronousTestCase):
    """Units in a temporary folder."""

    def setUp(self) -> None:
        """Skip the tests where there is no systemd."""
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("systemd-analyze is not installed")
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``systemd-analyze``."""
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)

    def exposure(self, unit: str, *drop_ins: Path) -> float:
        """The exposure of a unit with drop-ins."""
        file = self.folder / "unixsvc.service"
        file.write_text(unit + "".join(each.read_text() for each in drop_ins))
        done = self.analyze("security", "--offline=yes", "--no-pager", str(file))
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        assert found is not None, done.stderr
        return float(found[1])

    def write(self, name: str, unit: str) -> None:
        """Write a unit, without its programs, which are not installed here."""
        self.folder.joinpath(name).write_text(re.sub(r"/opt/\S+/bin/\w+", "/bin/true", unit))

    def test_verify(self) -> None:
        """All units are valid."""
        for file in UNITS.iterdir():
            if file.suffix in (".service", ".socket"):
                self.write(file.name, file.read_text())
        self.write("shop.service", _unit_of_new_project())
        names = [each.name for each in self.folder.iterdir()]
        self.assertEqual(len(names), 8)
        for name in names:
            done = self.analyze("verify", str(self.folder / name.replace("@", "@blue")))
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), name)

    def test_exposure(self) -> None:
        """The sandbox of each unit is as tight as its page says."""
        drop_ins = UNITS / "drop-in"
        unit = UNITS.joinpath("unixsvc.service").read_text()
        self.assertLessEqual(self.exposure(unit), _EXPOSURE)
        self.assertLessEqual(self.exposure(unit, drop_ins / "credentials.conf"), _EXPOSURE)
        self.assertLessEqual(self.exposure(unit, drop_ins / "no-network.conf"), _WITHOUT_NETWORK)
        self.assertLessEqual(self.exposure(unit, drop_ins / "other-users.conf"), _OTHER_USERS)
        self.assertLessEqual(self.exposure(UNITS.joinpath("unixsvc@.service").read_text()), _EXPOSURE)
        self.assertLessEqual(self.exposure(_unit_of_new_project()), _EXPOSURE)
        page = ROOT.joinpath("docs", "how-to", "systemd.rst").read_text()
        for documented in (_EXPOSURE, _WITHOUT_NETWORK, _OTHER_USERS):
            self.assertIn(f"{documented}", page)


class TemplateTests(SynchronousTestCase):
    """The units of several instances."""

    def settings(self, name: str) -> list[str]:
        """The lines of a unit that are no comments."""
        lines = UNITS.joinpath(name).read_text().splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    def test_differ_in_names_only(self) -> None:
        """The templates are the other units, with the name of the instance in each place."""
        for single, template in (
            ("unixsvc.service", "unixsvc@.service"),
            ("unixsvc-home.socket", "unixsvc-home@.socket"),
            ("unixsvc-http.socket", "unixsvc-http@.socket"),
        ):
            settings = []
            for line in self.settings(template):
                line = line.replace("/etc/unixsvc/%i.toml", "/etc/unixsvc/unixsvc.toml")
                for instance in ("-%i", "@%i", ", %i", " (%i)"):
                    line = line.replace(instance, "")
                settings.append(line)
            self.assertEqual(settings, self.settings(single))


def _unit_of_new_project() -> str:
    return project_files(ProjectName.parse("shop", []), http=False, version="")["deploy/shop.service"]
