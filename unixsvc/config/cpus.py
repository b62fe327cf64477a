"""The number of CPUs that this process may use: its affinity, and the CPU quota of its control groups."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["available_cpus"]

# The characters that the kernel escapes in mountinfo; a backslash is the last one.
_ESCAPES: Final = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


def available_cpus(root: str = "/") -> int:
    """The number of CPUs that this process may use, at least 1.

    A quota that is not a whole number is rounded up, as the JVM and Go round it.

    :param root: the folder that contains ``proc`` and the mount points of the control groups.
    """
    quota = min(_quotas(Path(root)), default=math.inf)
    return max(1, min(len(os.sched_getaffinity(0)), math.ceil(min(quota, 2.0**31))))


def _quotas(root: Path) -> Iterator[float]:
    """The CPU quotas that apply to this process, in CPUs: of its own control groups and of those above.

    See cgroups(7), and proc(5) for the two files.
    """
    memberships = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        # The line of version 2 has no controllers.
        memberships.update(dict.fromkeys(controllers.split(","), path))
    for line in _lines(root / "proc/self/mountinfo"):
        fields, _, source = line.partition(" - ")
        mounted, mount_point = fields.split()[3:5]
        kind, _, options = source.split(" ", 2)
        if kind == "cgroup2":
            controller, read = "", _quota_v2
        elif kind == "cgroup" and "cpu" in options.split(","):
            controller, read = "cpu", _quota_v1
        else:
            continue
        if controller in memberships:
            below = _below(memberships[controller], _unescape(mounted))
            top = root / _unescape(mount_point).lstrip("/")
            for folder in (below, *below.parents):
                with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                    yield read(top / folder)


def _below(path: str, mounted: str) -> PurePosixPath:
    """The path of a control group below a mount point.

    :param mounted: the control group that is mounted there, which is not the root in a container.
    """
    try:
        return PurePosixPath(path).relative_to(mounted)
    except ValueError:  # it is in another namespace: the mount point is all that we see
        return PurePosixPath()


def _quota_v2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return math.inf if quota < 0 else quota / int((folder / "cpu.cfs_period_us").read_text())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _unescape(text: str) -> str:
    for escaped, character in _ESCAPES.items():
        text = text.replace(escaped, character)
    return text
