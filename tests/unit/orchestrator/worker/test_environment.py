"""The environment variables that a worker starts with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.worker.environment import import_path, initial_environment
from unixsvc.service.spec import Privileges

OURS = {
    "PATH": "/usr/bin",
    "LANG": "de_DE.UTF-8",
    "LC_TIME": "C",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "HOME": "/root",
    "DATABASE_URL": "secret",
    "SSH_AUTH_SOCK": "/run/ssh",
}
SETTINGS = ServiceSettings("home:app", environment={"COLOUR": "red", "LANG": "C"})


class EnvironmentTests(SynchronousTestCase):
    def test_same_user(self) -> None:
        """A worker of our own user gets our variables, and those of its service."""
        expected = {**OURS, "COLOUR": "red", "LANG": "C"}
        for privileges in Privileges(), Privileges(uid=0, gid=0), Privileges(gid=7):
            self.assertEqual(initial_environment(OURS, SETTINGS, privileges), expected)

    def test_variables_for_keys(self) -> None:
        """Variables for keys in tables, which may be secrets of other services, are not passed on."""
        ours = {
            "UNIXSVC_SERVICES__BANK__OPTIONS__PASSWORD": "x",
            "UNIXSVC_TOKEN": "y",
            "UNIXSVC_SOCKET_DIR": "/s",
        }
        found = initial_environment(ours, ServiceSettings("home:app"), Privileges())
        self.assertEqual(found, {"UNIXSVC_TOKEN": "y", "UNIXSVC_SOCKET_DIR": "/s"})

    def test_other_user(self) -> None:
        """A worker of another user gets what the interpreter needs, and nothing of its service yet."""
        found = initial_environment(OURS, SETTINGS, Privileges(uid=7, gid=7))
        self.assertEqual(set(found), {"PATH", "LANG", "LC_TIME", "TZ", "PYTHONHASHSEED"})
        self.assertEqual(found["LANG"], "de_DE.UTF-8")

    def test_current_directory(self) -> None:
        """An empty entry of PYTHONPATH, which means the current directory, is removed."""
        ours = {"PYTHONPATH": ":/srv/lib::/opt/lib:"}
        for privileges in Privileges(), Privileges(uid=7, gid=7):
            found = initial_environment(ours, ServiceSettings("home:app"), privileges)
            self.assertEqual(found, {"PYTHONPATH": "/srv/lib:/opt/lib"})

    def test_import_path(self) -> None:
        """The entries of PYTHONPATH are in their order."""
        self.assertEqual(import_path({"PYTHONPATH": "/b:/a"}), ["/b", "/a"])
        self.assertEqual(import_path({}), [])
