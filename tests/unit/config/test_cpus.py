"""The number of CPUs that a process may use."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.cpus import available_cpus

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 24 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "32 24 0:28 {mounted} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
)


class CpuTests(SynchronousTestCase):
    """Machines with 64 CPUs and different control groups, as files in a folder."""

    def setUp(self) -> None:
        """Make a machine without control groups."""
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.patch(os, "sched_getaffinity", lambda pid: set(range(64)))

    def write(self, path: str, text: str) -> None:
        """Write a file of this machine."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def v2(self, group: str = "0::/a.slice/b.service\n", mount: str = V2, **quotas: str) -> int:
        """The number of CPUs with version 2 of control groups.

        :param quotas: the files ``cpu.max``, by the folder below the mount point, with ``_`` for ``/``.
        """
        self.write("proc/self/cgroup", group)
        self.write("proc/self/mountinfo", mount)
        for folder, quota in quotas.items():
            self.write(f"sys/fs/cgroup/{folder.replace('_', '/')}/cpu.max", f"{quota}\n")
        return available_cpus(str(self.root))

    def v1(self, group: str, mounted: str, **quotas: int) -> int:
        """The number of CPUs with version 1; a period is 100,000 microseconds."""
        self.write("proc/self/cgroup", group)
        self.write("proc/self/mountinfo", V1.format(mounted=mounted))
        for folder, quota in quotas.items():
            path = f"sys/fs/cgroup/cpu,cpuacct/{folder.replace('_', '/')}"
            self.write(f"{path}/cpu.cfs_quota_us", f"{quota}\n")
            self.write(f"{path}/cpu.cfs_period_us", "100000\n")
        return available_cpus(str(self.root))

    def test_affinity(self) -> None:
        """Without a quota, and without control groups, it is the number of CPUs of the affinity."""
        self.assertEqual(available_cpus(str(self.root)), 64)
        self.assertEqual(self.v2(a="max 100000", a_b="max 100000"), 64)
        self.patch(os, "sched_getaffinity", lambda pid: {3, 5})
        self.assertEqual(self.v2(), 2)
        self.assertEqual(self.v2(**{"a.slice": "800000 100000"}), 2)

    def test_this_machine(self) -> None:
        """The real files can be read."""
        self.assertIn(available_cpus(), range(1, 65))

    def test_v2(self) -> None:
        """The smallest quota applies, of the own control group and those above."""
        self.assertEqual(self.v2(**{"a.slice_b.service": "400000 100000"}), 4)
        self.assertEqual(self.v2(**{"a.slice": "300000 100000"}), 3)
        self.assertEqual(self.v2(**{"": "50000 25000"}), 2)

    def test_rounded(self) -> None:
        """A part of a CPU counts as one."""
        for quota, expected in ("150000 100000", 2), ("1000 100000", 1), ("210000 100000", 3):
            self.assertEqual(self.v2(**{"a.slice": quota}), expected)

    def test_container(self) -> None:
        """In a container its own control group is mounted, and its path may be that of the host."""
        mount = V2.replace(" / /sys", " /docker/4711 /sys")
        self.assertEqual(self.v2("0::/docker/4711\n", mount, **{"": "200000 100000"}), 2)
        self.assertEqual(self.v2("0::/docker/4711/x\n", mount, x="100000 100000"), 1)
        self.assertEqual(self.v2("0::/../../elsewhere\n", mount, **{"": "300000 100000"}), 3)

    def test_v1(self) -> None:
        """Version 1 has two files, and -1 for no quota."""
        group = "5:cpuset:/other\n4:cpu,cpuacct:/docker/4711\n1:name=systemd:/x:y\n0::/\n"
        self.assertEqual(self.v1(group, "/", docker_4711=250_000), 3)
        self.assertEqual(self.v1(group, "/", docker=-1, docker_4711=-1), 64)
        self.assertEqual(self.v1(group, "/docker/4711", **{"": 100_000}), 1)

    def test_both(self) -> None:
        """On a machine with both versions, the quota of version 1 applies."""
        group = "4:cpu,cpuacct:/a\n0::/b\n"
        self.v1(group, "/", a=200_000)
        mounts = V1.format(mounted="/") + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
        self.assertEqual(self.v2(group, mounts), 2)

    def test_invalid(self) -> None:
        """Values that cannot be understood are no quota."""
        for quota in "", "x y", "100000", "100000 0":
            self.assertEqual(self.v2(**{"a.slice": quota}), 64, quota)

    def test_escaped(self) -> None:
        """A mount point may contain spaces."""
        self.write("mnt/c g/cpu.max", "200000 100000\n")
        self.assertEqual(self.v2("0::/\n", V2.replace("/sys/fs/cgroup", "/mnt/c\\040g")), 2)
