"""The instructions of a Dockerfile, executed without an engine: in namespaces of this machine.

The base image is made of the programs of this machine. With the variable ``UNIXSVC_FULL`` it is a new Debian
system, which debootstrap makes in some minutes.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest

from tests.install_program import install_program

__all__ = ["UID", "Container", "Image", "build_image"]

UID: Final = 10001
_TIMEOUT: Final = 300.0
_DEBOOTSTRAP: Final = "/usr/sbin/debootstrap"
_PACKAGES: Final = "python-is-python3,python3-pip,python3-venv"
_IS_FULL: Final = bool(os.environ.get("UNIXSVC_FULL"))
# From this machine: without debootstrap, also programs and libraries, and Python.
_SHARED: Final = (
    ("/dev",) if _IS_FULL else ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev", sys.base_prefix)
)
_FILES: Final = (
    "passwd",
    "group",
    "shadow",
    "gshadow",
    "login.defs",
    "ld.so.cache",
    "nsswitch.conf",
    "hosts",
)
_NETWORK_FILES: Final = ("resolv.conf", "pip.conf", "ssl")
_PATH: Final = f"{sys.base_prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USER: Final = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all",
                "--inh-caps=-all", "--no-new-privs")  # fmt: skip
_LOOPBACK_UP: Final = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
)


class Image:
    """A root file system, and the settings of the image."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self.root = root
        self._settings = settings

    def command(self, instruction: str) -> list[str]:
        """The words of an instruction in exec form, as ``CMD``."""
        found: list[str] = json.loads(
            self._settings[instruction].partition("CMD ")[2] or self._settings[instruction]
        )
        return found

    @property
    def workdir(self) -> str:
        """The folder of the processes."""
        return self._settings["WORKDIR"]

    @property
    def stop_signal(self) -> signal.Signals:
        """What stops the container."""
        return signal.Signals[self._settings["STOPSIGNAL"]]


def build_image(dockerfile: Path, context: Path, folder: Path) -> Image:
    """Execute the instructions of a Dockerfile.

    :raises SkipTest: if this user may not make namespaces.
    """
    if os.geteuid() or subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"]).returncode:
        raise SkipTest("only root makes the namespaces of a container")
    stages: dict[str, Path] = {}
    settings: dict[str, str] = {}
    root = folder
    for instruction, argument in _instructions(dockerfile.read_text()):
        words = argument.split()
        if instruction == "FROM":
            settings = {}
            name = words[2] if len(words) > 2 else "image"
            files = () if name == "image" else _NETWORK_FILES
            make = _make_debian if _IS_FULL else _make_base
            root = stages[name] = make(folder / name, files)
        elif instruction == "RUN":
            _run(root, settings.get("WORKDIR", "/"), re.sub(r"--mount=\S+", "", argument))
        elif instruction == "COPY" and words[0].startswith("--from="):
            source = stages[words[0].removeprefix("--from=")] / words[1].lstrip("/")
            shutil.copytree(source, root / words[2].lstrip("/"), symlinks=True)
        elif instruction == "COPY":
            _copy(context, words[0], root, settings.get("WORKDIR", "/"), words[1])
        else:
            settings[instruction] = argument
            if instruction == "WORKDIR":
                root.joinpath(argument.lstrip("/")).mkdir(parents=True, exist_ok=True)
    assert settings["USER"] == str(UID)
    return Image(root, settings)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line:
            instruction, _, argument = line.partition(" ")
            yield instruction, argument


def _make_debian(root: Path, files: Sequence[str]) -> Path:
    """A base image of Debian's packages alone.

    :param files: those of /etc that are copied.
    """
    debian = root.with_name("debian")
    if not debian.exists():
        _bootstrap(debian)
    # cp, as it keeps owners and links.
    subprocess.run(["cp", "--archive", debian, root], check=True)
    _copy_files(root, files)
    return root


def _bootstrap(root: Path) -> None:
    if problem := install_program(_DEBOOTSTRAP, "debootstrap"):
        raise SkipTest(problem)
    listed = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    sources = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    mirror, suite = next(each.split() for each in sources if each.endswith(_codename()))
    done = subprocess.run(
        [_DEBOOTSTRAP, "--variant=minbase", f"--include={_PACKAGES}", suite, root, mirror],
        capture_output=True, text=True, timeout=_TIMEOUT * 3, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stdout[-1000:] + done.stderr


def _codename() -> str:
    return f" {platform.freedesktop_os_release()['VERSION_CODENAME']}"


def _make_base(root: Path, files: Sequence[str]) -> Path:
    """A base image whose programs are those of this machine.

    :param files: those of /etc that are copied, beside users and names.
    """
    for path in (*_SHARED, "/etc", "/proc", "/root", "/run", "/var/lib", "/opt"):
        root.joinpath(path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    root.joinpath("tmp").mkdir()
    root.joinpath("tmp").chmod(0o1777)
    _copy_files(root, (*_FILES, *files))
    return root


def _copy_files(root: Path, files: Sequence[str]) -> None:
    for name in files:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.rmtree(root / "etc" / name, ignore_errors=True)  # Debian's, if there is one
            shutil.copytree(
                source, root / "etc" / name, symlinks=True, ignore=shutil.ignore_patterns("private")
            )
        elif source.exists():
            shutil.copy(source, root / "etc" / name)


def _copy(context: Path, pattern: str, root: Path, workdir: str, target: str) -> None:
    place = root / os.path.join(workdir, target).lstrip("/")
    if pattern == ".":
        shutil.copytree(context, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        return
    place.mkdir(parents=True, exist_ok=True)
    for source in context.glob(pattern):
        shutil.copy(source, place)


def _script(root: Path, workdir: str, mounts: Sequence[str], command: Sequence[str]) -> list[str]:
    """The command that mounts the folders below the root, and executes another one there.

    As runc does, it makes process 1 the leader of a session: its process group has to be in its namespace.
    """
    place = shlex.quote(str(root))
    lines = [f"mount --bind {place} {place}"]
    lines += [f"mount --rbind -o ro {each} {place}{each}" for each in _SHARED if os.path.exists(each)]
    lines += [f"mount -t proc proc {place}/proc", *mounts]
    words = ["setsid", "chroot", str(root), "env", "-i", f"PATH={_PATH}", "HOME=/root", *command]
    lines += [f"exec {shlex.join(words)}"]
    inside = f"set -e; cd /; {'; '.join(lines)}"
    return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", inside]


def _run(root: Path, workdir: str, command: str) -> None:
    passed = [
        f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith(("_proxy", "_url"))
    ]
    words = [*passed, "sh", "-c", f"cd {workdir}; {command}"]
    done = subprocess.run(
        _script(root, workdir, [], words), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    if done.returncode:
        raise AssertionError(f"RUN {command} exited with {done.returncode}: {done.stdout}{done.stderr}")


class Container:
    """A running container: a process of its own pid, mount and network namespace, on a read-only root.

    :param mounts: the writable places, as ``tmpfs:PATH`` or ``SOURCE:PATH``, or ``SOURCE:PATH:ro``.
    """

    def __init__(self, image: Image, command: Sequence[str], mounts: Sequence[str], log: Path) -> None:
        self._image = image
        self._log = log
        root = shlex.quote(str(image.root))
        for each in mounts:  # an engine makes the mount points, too
            image.root.joinpath(each.split(":")[1].lstrip("/")).mkdir(parents=True, exist_ok=True)
        lines = [_mount(each, root) for each in mounts]
        lines += [f"{sys.executable} -c {shlex.quote(_LOOPBACK_UP)}", f"mount -o remount,bind,ro {root}"]
        words = [self._path, "sh", "-c", f"cd {image.workdir}; exec {shlex.join([*_USER, *command])}"]
        script = _script(image.root, image.workdir, lines, words)
        script.insert(1, "--net")
        with open(log, "wb") as file:
            self._process = subprocess.Popen(script, stdout=file, stderr=subprocess.STDOUT)

    @property
    def _path(self) -> str:
        return f"PATH=/opt/unixsvc/bin:{_PATH}"

    @property
    def pid(self) -> int:
        """Process 1 of the container, as this machine sees it."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while not (text := children.read_text()):  # unshare has not forked yet
            if self._process.poll() is not None:
                raise AssertionError(f"it has ended: {self.log}")
            time.sleep(0.01)
        return int(text.split()[0])

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as ``docker exec``."""
        inside = shlex.join([*_USER, *command])
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--root", "setsid",
             "env", "-i", self._path,
             "sh", "-c", f"cd {self._image.workdir}; exec {inside}"],
            capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip

    def wait_until_healthy(self, *command: str) -> None:
        """Repeat the health check, as an engine does."""
        deadline = time.monotonic() + _TIMEOUT
        while (done := self.execute(*command)).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it is not healthy: {done.stderr}{self.log}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Send the stop signal to process 1; the exit code."""
        os.kill(self.pid, self._image.stop_signal)
        return self._process.wait(_TIMEOUT)

    def kill(self) -> None:
        """End it, if it runs."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)  # and all others with it, as it is process 1
        self._process.wait()


def _mount(mount: str, root: str) -> str:
    source, path, *options = mount.split(":")
    if source == "tmpfs":
        return f"mount -t tmpfs -o uid={UID},gid={UID},mode=0700 tmpfs {root}{path}"
    return f"mount --bind -o {','.join(options) or 'rw'} {source} {root}{path}"
