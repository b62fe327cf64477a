"""Tests of the privileges of workers."""

from __future__ import annotations

import ctypes
import grp
import json
import os
import pwd
import resource
from collections.abc import Callable
from typing import Any
from unittest import skipIf

import msgspec
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import ResourceLimits, ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker import privileges
from unixsvc.orchestrator.worker.privileges import drop, find_privileges
from unixsvc.service.spec import Privileges

WHERE = "unixsvc.toml: services.home"
OTHER = next(each for each in pwd.getpwall() if each.pw_uid and each.pw_gid)
GROUP = next(each for each in grp.getgrall() if each.gr_gid not in (0, OTHER.pw_gid))
NOBODY = next(number for number in range(40_000, 60_000) if number not in {p.pw_uid for p in pwd.getpwall()})
ALONE = Privileges(uid=NOBODY, gid=NOBODY + 1, groups=(NOBODY + 1, NOBODY + 2), home="/")

only_root = skipIf(os.geteuid() != 0, "only root can become another user")


def settings(**changes: Any) -> ServiceSettings:
    """The settings of a service."""
    return ServiceSettings("home:app", **changes)


def find(euid: int = 0, **changes: Any) -> Privileges:
    """Resolve settings for an orchestrator of a user."""
    return find_privileges(settings(**changes), WHERE, euid)


class FindTestCase(SynchronousTestCase):
    """A test that asserts refusals."""

    def refused(self, key: str, euid: int = 0, **changes: Any) -> str:
        """Assert that settings are refused; the error."""
        said = str(self.assertRaises(ConfigError, find, euid, **changes))
        self.assertTrue(said.startswith(f"{WHERE}.{key}: "), said)
        self.assertIn(";", said)
        return said


class FindTests(FindTestCase):
    """Settings are resolved."""

    def test_nothing(self) -> None:
        """Without settings nothing changes."""
        for euid in 0, OTHER.pw_uid:
            self.assertEqual(find(euid), Privileges())

    def test_user(self) -> None:
        """A user, by name or number, has the group, home and name of its passwd entry."""
        for text in OTHER.pw_name, str(OTHER.pw_uid):
            found = find(user=text)
            self.assertEqual((found.uid, found.gid), (OTHER.pw_uid, OTHER.pw_gid))
            self.assertEqual((found.home, found.name), (OTHER.pw_dir, OTHER.pw_name))

    def test_groups(self) -> None:
        """The supplementary groups of the user are included, with the configured group."""
        asked = []

        def listed(name: str, gid: int) -> list[int]:
            asked.append((name, gid))
            return [gid, 4711]

        self.patch(os, "getgrouplist", listed)
        self.assertEqual(find(user=OTHER.pw_name).groups, (OTHER.pw_gid, 4711))
        self.assertEqual(find(user=str(OTHER.pw_uid), group=GROUP.gr_name).groups, (GROUP.gr_gid, 4711))
        self.assertEqual(asked, [(OTHER.pw_name, OTHER.pw_gid), (OTHER.pw_name, GROUP.gr_gid)])

    def test_group(self) -> None:
        """A configured group replaces that of the user; without a user it is the only one."""
        for text in GROUP.gr_name, str(GROUP.gr_gid):
            found = find(user=OTHER.pw_name, group=text)
            self.assertEqual((found.uid, found.gid), (OTHER.pw_uid, GROUP.gr_gid))
            self.assertEqual(find(group=text), Privileges(gid=GROUP.gr_gid, groups=(GROUP.gr_gid,)))

    def test_number_without_entry(self) -> None:
        """A user id without a passwd entry requires a group; it has no name and no home."""
        found = find(user=str(NOBODY), group=str(NOBODY))
        self.assertEqual(found, Privileges(uid=NOBODY, gid=NOBODY, groups=(NOBODY,), home="/"))
        self.assertIn(f"set {WHERE}.group", self.refused("user", user=str(NOBODY)))

    def test_unknown(self) -> None:
        """An unknown user or group, or an invalid number, is refused."""
        for text in "no-such", "-1", "1.0", "\0", "\u0661", str(2**32 - 1), "9" * 5000:
            self.assertIn(repr(text)[:100], self.refused("user", user=text))
            self.assertIn(repr(text)[:100], self.refused("group", user=OTHER.pw_name, group=text))

    def test_umask(self) -> None:
        """The umask is octal; 0 is valid."""
        for text, expected in ("027", 0o027), ("0077", 0o077), ("000", 0):
            self.assertEqual(find(umask=text), Privileges(umask=expected))

    def test_limits(self) -> None:
        """Resource limits are as configured."""
        found = find(rlimits=ResourceLimits(open_files=64, memory=2**40))
        self.assertEqual(found, Privileges(open_files=64, memory=2**40))

    def test_inline(self) -> None:
        """A service in the process of the orchestrator cannot have another user."""
        for changes in {"user": OTHER.pw_name}, {"group": GROUP.gr_name}:
            error = self.assertRaises(ConfigError, find, isolation="inline", **changes)
            self.assertIn("an inline service runs as the user of the orchestrator", str(error))

    def test_sent(self) -> None:
        """They can be sent to a worker."""
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(ALONE), type=Privileges), ALONE)

    def test_too_few_files(self) -> None:
        """Fewer file descriptors than a worker needs are refused."""
        self.assertIn("64", self.refused("rlimits.open_files", rlimits=ResourceLimits(open_files=63)))


class NotRootTests(FindTestCase):
    """An orchestrator without root."""

    def test_another(self) -> None:
        """Another user or group is refused."""
        euid = OTHER.pw_uid
        for key, changes in (
            ("user", {"user": "root"}),
            ("user", {"user": str(NOBODY)}),
            ("user", {"user": str(NOBODY), "group": str(os.getegid())}),
            ("group", {"group": str(os.getegid() + 1)}),
            ("group", {"user": OTHER.pw_name, "group": str(os.getegid() + 1)}),
        ):
            self.assertIn("only root can run workers as another user", self.refused(key, euid, **changes))

    def test_itself(self) -> None:
        """Its own user and group are accepted and change nothing."""
        changes = {"user": OTHER.pw_name, "group": str(os.getegid()), "umask": "027"}
        self.assertEqual(find(OTHER.pw_uid, **changes), Privileges(umask=0o027))

    def test_limits(self) -> None:
        """Only root can exceed hard limits."""
        for kind, key, hard in (
            (resource.RLIMIT_NOFILE, "open_files", 100),
            (resource.RLIMIT_AS, "memory", 2**40),
        ):

            def refused(kind: int = kind, key: str = key, hard: int = hard) -> list[str]:
                resource.setrlimit(kind, (hard, hard))
                most, more = (ResourceLimits(**{key: each}) for each in (hard, hard + 1))
                find(OTHER.pw_uid, rlimits=most)
                find(0, rlimits=more)
                return [self.refused(f"rlimits.{key}", OTHER.pw_uid, rlimits=more)]

            (said,) = in_child(refused)
            self.assertIn(f"only root can exceed {hard};", said)


def in_child(call: Callable[[], Any]) -> Any:
    """Run a function in a child process, as its effects are irrevocable."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.environ.update(HOME="/root", USER="root", LOGNAME="root")
        try:
            said = json.dumps(call())
        except BaseException as error:
            said = json.dumps(f"{type(error).__name__}: {error}")
        os.write(writing, said.encode())
        os._exit(0)  # the rest of the tests is not the child's
    os.close(writing)
    with open(reading) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return json.loads(said)


def state() -> dict[str, Any]:
    """The user, groups and limits of this process."""
    os.umask(umask := os.umask(0))
    return {
        "uids": list(os.getresuid()),
        "gids": list(os.getresgid()),
        "groups": sorted(os.getgroups()),
        "umask": umask,
        "open_files": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "memory": list(resource.getrlimit(resource.RLIMIT_AS)),
        "environment": {key: os.environ.get(key) for key in ("HOME", "USER", "LOGNAME")},
    }


def after(given: Privileges) -> Any:
    """The state of a process with these privileges."""

    def give_up() -> Any:
        drop(given)
        return state()

    return in_child(give_up)


def look_at_privileges() -> list[str]:
    """The capabilities of a process that has become another user."""
    drop(ALONE)
    with open("/proc/thread-self/status") as file:
        return [line.strip() for line in file if line.startswith(("Cap", "NoNewPrivs"))]


class DropTests(SynchronousTestCase):
    """Privileges are applied."""

    def assertChanged(self, given: Privileges, **changes: Any) -> None:
        """Assert the changes of a process with these privileges."""
        self.assertEqual(after(given), in_child(state) | changes)

    def test_nothing(self) -> None:
        """Empty privileges change nothing."""
        self.assertChanged(Privileges())

    def test_umask_and_limits(self) -> None:
        """The umask and the limits, soft and hard, need no root."""
        self.assertChanged(
            Privileges(umask=0o027, open_files=99, memory=2**40),
            umask=0o027, open_files=[99, 99], memory=[2**40, 2**40],
        )  # fmt: skip

    @only_root
    def test_user(self) -> None:
        """All user and group ids change; the variables of the old user are removed."""
        self.assertChanged(
            ALONE,
            uids=[NOBODY] * 3, gids=[NOBODY + 1] * 3, groups=[NOBODY + 1, NOBODY + 2],
            environment={"HOME": "/", "USER": None, "LOGNAME": None},
        )  # fmt: skip

    @only_root
    def test_environment(self) -> None:
        """The environment has the new user."""
        found = after(replace(ALONE, home="/home/ann", name="ann"))
        self.assertEqual(found["environment"], {"HOME": "/home/ann", "USER": "ann", "LOGNAME": "ann"})

    @only_root
    def test_group(self) -> None:
        """A group alone does not change the user."""
        self.assertChanged(Privileges(gid=NOBODY, groups=(NOBODY,)), gids=[NOBODY] * 3, groups=[NOBODY])

    @only_root
    def test_all(self) -> None:
        """All privileges can be set together."""
        found = after(replace(ALONE, umask=0, open_files=99, memory=2**40))
        self.assertEqual((found["uids"], found["umask"], found["open_files"]), ([NOBODY] * 3, 0, [99, 99]))

    @only_root
    def test_no_new_privileges(self) -> None:
        """Another user has no capabilities, and cannot get any from programs that it executes."""
        self.assertEqual(
            in_child(look_at_privileges),
            [*(f"Cap{kind}:\t{0:016x}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")), "NoNewPrivs:\t1"],
        )

    @only_root
    def test_bounding_set_kept(self) -> None:
        """A sandbox that keeps root from changing the bounding set is no error."""

        def look() -> str:
            libc = ctypes.CDLL(None, use_errno=True)
            header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            assert libc.capget(header, data) == 0
            data[0] &= ~(1 << 8)  # CAP_SETPCAP, effective
            assert libc.capset(header, data) == 0
            return " ".join(look_at_privileges())

        self.assertIn("NoNewPrivs:\t1", in_child(look))

    def test_order(self) -> None:
        """Limits, groups and the bounding set are changed before the user."""
        called = []

        def no_root(uid: int) -> None:
            called.append("setuid")
            raise PermissionError

        for module, name in (
            (resource, "setrlimit"), (os, "setgroups"), (os, "setresgid"), (os, "setresuid"),
        ):  # fmt: skip
            self.patch(module, name, lambda *_, name=name: called.append(name))
        self.patch(os, "setuid", no_root)
        self.patch(os, "environ", {})
        self.patch(privileges, "_empty_bounding_set", lambda: called.append("bounding set"))
        self.patch(privileges, "prctl", lambda *_: called.append("prctl"))
        drop(replace(ALONE, open_files=99))
        expected = ["setrlimit", "setgroups", "setresgid", "bounding set", "setresuid", "prctl", "setuid"]
        self.assertEqual(called, expected)

    @only_root
    def test_root_not_regained(self) -> None:
        """Root cannot be regained; a process that could must not continue."""

        def keep() -> None:
            # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP: capabilities outlive the change of the user.
            assert ctypes.CDLL(None, use_errno=True).prctl(28, 4, 0, 0, 0) == 0
            drop(ALONE)

        said = in_child(keep)
        self.assertIn("ConfigError", said)
        self.assertIn("root again", said)

    @only_root
    def test_root_to_root(self) -> None:
        """Staying root is no error."""
        found = after(Privileges(uid=0, gid=0, groups=(0,), home="/root", name="root"))
        self.assertEqual(found["uids"], [0, 0, 0])

    def test_refused(self) -> None:
        """If the kernel refuses, the error is one line."""
        said = after(Privileges(open_files=2**31 - 1))  # more than fs.nr_open may ever be
        self.assertIn("ConfigError: ", said)
        self.assertIn("cannot be set", said)
