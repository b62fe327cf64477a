"""The two revisions that are compared, each ready to run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.compare.result import Side
from bench.processes import BenchError
from bench.revisions import Revision
from bench.service import Installation

__all__ = ["SideInstallation", "different_libraries", "prepare_side"]

# Everything that the processes import, so that nothing is compiled while instructions are counted.
_CHECK: Final = """\
import json, sys
from importlib.metadata import distributions
import bench.compare.counted_app, bench.compare.counted_client, bench.clients.concurrent_calls
import unixsvc, unixsvc.aio, unixsvc.blocking
libraries = {each.metadata["Name"]: each.version for each in distributions()}
json.dump([unixsvc.__file__, libraries], sys.stdout)
"""


class SideInstallation(Struct, frozen=True):
    """A revision that was found to run from its own environment.

    :ivar name: ``base`` or ``head``.
    """

    name: str
    side: Side
    installation: Installation


def prepare_side(name: str, revision: Revision, import_folder: Path) -> SideInstallation:
    """Check a revision.

    :param import_folder: see :func:`~bench.environments.make_import_folder`.
    :raises BenchError: if its unixsvc is imported from elsewhere, or not at all.
    """
    environment = {
        "PYTHONPATH": str(import_folder),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": "0",  # the order in sets, and with it the counts, is the same each time
    }
    done = subprocess.run(  # noqa: S603  # our own command
        [str(revision.python), "-c", _CHECK],
        env=revision.environment() | environment, capture_output=True, text=True, check=False,
        cwd=import_folder,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"{revision.title} cannot be imported:\n{done.stderr}")
    file, libraries = json.loads(done.stdout)
    if not Path(file).is_relative_to(revision.python.parents[1]):
        raise BenchError(f"{revision.title}: unixsvc was imported from {file}, not from its environment")
    libraries.pop("unixsvc", None)
    side = Side(revision.title, revision.commit, libraries)
    return SideInstallation(name, side, Installation(str(revision.python), environment))


def different_libraries(base: Side, head: Side) -> str:
    """The libraries of which the sides have different versions; empty if there is none."""
    names = sorted(base.libraries.keys() | head.libraries.keys())
    versions = [(name, base.libraries.get(name, "none"), head.libraries.get(name, "none")) for name in names]
    return ", ".join(f"{name} {old} and {new}" for name, old, new in versions if old != new)
