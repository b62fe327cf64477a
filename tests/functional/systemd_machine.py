"""A systemd of its own: process 1 of new namespaces, on a copy of the root file system in memory."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest

import unixsvc
from tests.examples.blocks import ROOT

__all__ = ["SystemdMachine"]

_TIMEOUT: Final = 120.0  # seconds; only reached if something is broken
_SYSTEMD: Final = "/usr/lib/systemd/systemd"
# Clock, kernel and hardware are those of the host.
_NO_CAPABILITIES: Final = "-sys_boot,-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override"
# What the units need of the host's units; nothing else is to start.
_TARGETS: Final = ("sysinit", "basic", "sockets", "multi-user", "network-online", "shutdown", "umount")
_UNITS: Final = "/etc/systemd/system"
_VENV: Final = "/opt/unixsvc/.venv"
# The interpreter is mounted where the sandbox of the units does not hide it.
_PYTHON: Final = "/opt/python"
_PROJECT: Final = "/opt/project"
_ENVIRONMENT: Final = f"LD_LIBRARY_PATH={_PYTHON}/lib"
_BOOT: Final = """\
set -e
mount -t tmpfs -o mode=755 tmpfs {folder}
mkdir {folder}/upper {folder}/work {folder}/root
mount -t overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work overlay {folder}/root
cd {folder}/root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts dev/mqueue
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t mqueue mqueue dev/mqueue
{lines}
mkdir .host
pivot_root . .host
umount -l .host
rmdir .host
mount --make-rshared /
exec env -i container=test SYSTEMD_UNIT_PATH={units} PATH=/usr/sbin:/usr/bin \\
    setpriv --bounding-set={capabilities} \\
    {systemd} --system --unit=basic.target --log-target=console --show-status=no
"""


class SystemdMachine:
    """Starts systemd. ``/opt/unixsvc/.venv`` has twistd and unixsvc, without user and units.

    Commands run in a folder with the files of the project.

    :raises SkipTest: with the reason, where it cannot run.
    """

    def __init__(self) -> None:
        if os.geteuid():
            raise SkipTest("only root makes the namespaces for a systemd")
        if not os.path.exists(_SYSTEMD) or shutil.which("unshare") is None:
            raise SkipTest("systemd is not installed")
        self._group = _make_control_group()
        self._folder = tempfile.mkdtemp()
        self._console = open(f"{self._folder}.log", "w+")  # noqa: SIM115 - it is closed with the machine
        self._process = self._boot()
        try:
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def _boot(self) -> subprocess.Popen[bytes]:
        script = _BOOT.format(
            folder=self._folder,
            lines="\n".join(_files()),
            units=_UNITS,
            capabilities=_NO_CAPABILITIES,
            systemd=_SYSTEMD,
        )
        # The control group that it enters first is the root of its namespace.
        enter = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
        unshare = [
            "unshare",
            "--pid",
            "--mount",
            "--cgroup",
            "--uts",
            "--ipc",
            "--net",
            "--fork",
            "--kill-child",
        ]
        dies_with_us = ["setpriv", "--pdeathsig=KILL"]  # also if a test run is killed
        return subprocess.Popen(
            [*dies_with_us, "sh", "-ec", enter, "sh", str(self._group), *unshare, "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SkipTest(f"systemd does not run in namespaces here: {self.console[-500:]}")
            time.sleep(0.02)

    def _is_up(self) -> bool:
        if not self.path("/run/systemd/private").exists():
            return False
        return self.call("systemctl", "is-active", "basic.target").returncode == 0

    @property
    def _pid(self) -> int:
        """Process 1, as the host sees it; 0 if it is not there yet."""
        with contextlib.suppress(OSError, IndexError):
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            return int(children.read_text().split()[0])
        return 0

    @property
    def console(self) -> str:
        """What systemd has printed."""
        self._console.seek(0)
        return self._console.read()

    def path(self, inside: str) -> Path:
        """The path by which the host sees a file."""
        return Path(f"/proc/{self._pid}/root{inside}")

    def write(self, inside: str, text: str) -> None:
        """Write a file that all users may read."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)

    def make_environment(self, path: str) -> None:
        """Make a virtual environment as ``/opt/unixsvc/.venv``; ``packages`` in it is for modules."""
        self.run("sh", "-ec", "\n".join(_environment(path, path)))

    def run(self, *command: str) -> str:
        """Run a command; its output.

        :raises AssertionError: for another exit code than 0.
        """
        done = self.call(*command)
        if done.returncode:
            logs = [each.read_text()[-3000:] for each in self.path("/var/log").glob("*.out")]
            raise AssertionError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}{logs}")
        return done.stdout.strip()

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        enter = ["nsenter", f"--target={self._pid}", "--all", "--root", f"--wdns={_PROJECT}"]
        environment = ["env", "-i", f"PATH={_VENV}/bin:/usr/sbin:/usr/bin", _ENVIRONMENT]
        return subprocess.run(
            [*enter, *environment, *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip

    def fails(self, *command: str) -> str:
        """Run a command that exits with another code than 0; what it has printed."""
        done = self.call(*command)
        if not done.returncode:
            raise AssertionError(f"{command} has succeeded: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def close(self) -> None:
        """Kill process 1, and with it all others; the mounts end with them."""
        if pid := self._pid:
            os.kill(pid, 9)
        elif self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._console.close()
        os.unlink(f"{self._folder}.log")
        os.rmdir(self._folder)
        for folder, _, _ in os.walk(self._group, topdown=False):
            _remove_control_group(folder)


def _files() -> Iterator[str]:
    """Shell commands that mount and write what the units refer to."""
    site = sysconfig.get_path("purelib")
    mounts = {_PYTHON: sys.base_prefix, "/opt/packages": site, _PROJECT: str(ROOT)}
    source = str(Path(unixsvc.__file__).parents[1])
    if source != site:
        mounts["/opt/source"] = source
    yield f"mount -t tmpfs -o mode=755 tmpfs .{_UNITS}"
    for target, place in mounts.items():
        yield f"mkdir -p .{target}; mount --bind -o ro {shlex.quote(place)} .{target}"
    yield from _environment(_VENV, f".{_VENV}")
    yield f"mkdir -p .{_UNITS}/service.d"
    for target in _TARGETS:
        yield f"printf '[Unit]\\nDefaultDependencies=no\\n' >.{_UNITS}/{target}.target"
    settings = f"[Service]\\nEnvironment={_ENVIRONMENT}\\nStandardOutput=append:/var/log/%N.out\\n"
    yield f"printf '{settings.replace('%', '%%')}' >.{_UNITS}/service.d/test.conf"


def _environment(path: str, place: str) -> Iterator[str]:
    """Shell commands that make a virtual environment.

    :param place: the path by which they reach it.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = f"{place}/lib/{version}/site-packages"
    yield f"mkdir -p {place}/bin {packages}"
    yield f"ln -s lib/{version}/site-packages {place}/packages"
    yield f"printf '%s\\n' /opt/packages /opt/source >{packages}/test.pth"
    yield f"echo home = {_PYTHON}/bin >{place}/pyvenv.cfg"
    yield f"ln -s {_PYTHON}/bin/{version} {place}/bin/python"
    for name, module, function in (
        ("twistd", "twisted.scripts.twistd", "run"),
        ("unixsvc", "unixsvc.cli", "main"),
    ):
        script = f"#!{path}/bin/python\nfrom {module} import {function}\nraise SystemExit({function}())"
        yield f"echo {shlex.quote(script)} >{place}/bin/{name}; chmod 755 {place}/bin/{name}"


def _make_control_group() -> Path:
    """A new control group of version 2, which systemd needs.

    :raises SkipTest: if it cannot be made.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            group = Path(fields.split()[4], f"unixsvc-test-{os.getpid()}")
            try:
                group.mkdir()
            except OSError as error:
                raise SkipTest(f"no control group can be made: {error}") from None
            return group
    raise SkipTest("there are no control groups of version 2")


def _remove_control_group(folder: str) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            os.rmdir(folder)
        except OSError:  # its last process has not been reaped yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
