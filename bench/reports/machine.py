"""The machine of a benchmark: results of different machines cannot be compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from msgspec import Struct

from bench.environments import installed_versions

__all__ = ["Machine", "load_average", "machine"]

_LIBRARIES = ("unixsvc", "twisted", "klein", "uvloop", "msgspec", "grpcio", "nats-py")


class Machine(Struct, frozen=True):
    """Hardware, kernel and libraries.

    :ivar cores: available to this process.
    :ivar libraries: those of this environment; peers with one of their own are not among them.
    :ivar load: load average of one minute, before and after the run.
    """

    cpu: str
    cores: int
    kernel: str
    python: str
    libraries: dict[str, str]
    load: tuple[float, float] = (0.0, 0.0)

    def __str__(self) -> str:
        before, after = self.load
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.kernel}, {self.python}\n{libraries}\n"
            f"load average {before:.1f} before, {after:.1f} after"
        )


def machine() -> Machine:
    """The machine of this process."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=installed_versions(_LIBRARIES),
    )


def load_average() -> float:
    """The load average of one minute."""
    return round(os.getloadavg()[0], 2)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
