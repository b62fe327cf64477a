"""The tutorial does what it says, word by word: in an empty folder, with a new virtual environment."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import tutorial_pages
from tests.examples.page import check_pages
from tests.packaging.environments import build, clean_environment, copy_source

# In the version of the wheel: "pip install unixsvc" installs this one, whatever the package index has.
_MARK: Final = "tutorial"


class TutorialTests(SynchronousTestCase):
    def test_pages(self) -> None:
        """Each command prints what the pages show, up to times, process ids, versions and the HTTP port."""
        folder = tempfile.TemporaryDirectory(prefix="unixsvc-")
        self.addCleanup(folder.cleanup)
        source, wheels = copy_source(Path(folder.name, "source")), Path(folder.name, "wheels")
        wheels.mkdir()
        metadata = source / "pyproject.toml"
        metadata.write_text(
            re.sub('(?m)^version = "(.+)"$', rf'version = "\1+{_MARK}"', metadata.read_text())
        )
        wheel = build(source, "wheel", wheels)
        check_pages(tutorial_pages(), partial(_environment, wheel))


def _environment(wheel: Path, folder: Path) -> dict[str, str]:
    """The environment of a person who has Python, and no virtual environment yet."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(os.path.realpath(sys.executable))
    constraint = folder / "constraint.txt"
    constraint.write_text(f"unixsvc=={wheel.name.split('-')[1]}\n")
    own = os.path.dirname(sys.executable)
    path = [each for each in os.environ["PATH"].split(os.pathsep) if each != own]
    found = clean_environment()
    for name in [*found]:
        if name.startswith(("UNIXSVC", "RUNTIME_", "XDG_RUNTIME_DIR", "TOX_")):
            del found[name]
    return {
        **found,
        "COLUMNS": "110",
        "PATH": os.pathsep.join([str(programs), *path]),
        "PIP_CONSTRAINT": str(constraint),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": f"{wheel.parent} {found.get('PIP_FIND_LINKS', '')}",
        "PIP_NO_COMPILE": "1",  # saves half of the time
        "UNIXSVC_HTTP__BOOT_TIMEOUT": "120",  # on a busy machine
        "UNIXSVC_SERVICES__SHOP__BOOT_TIMEOUT": "120",
    }
