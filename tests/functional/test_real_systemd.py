"""The units in ``deploy/systemd`` under a real systemd, with the commands of their page."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from tests.examples.blocks import ROOT
from tests.functional.http_load import HttpLoad
from tests.functional.systemd_case import MachineTestCase

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_PATIENT: Final = f"boot_timeout = {_TIMEOUT}\n"
_SOCKET_UNITS: Final = [f"deploy/systemd/unixsvc-{name}.socket" for name in ("home", "http", "http-internal")]


class ServiceTests(MachineTestCase):
    """One orchestrator."""

    def test_life(self) -> None:
        """No call is lost by a reload, by one that fails, and by a restart with socket activation."""
        self.configure()
        self.follow("systemd", "Start")
        self.assert_unit("unixsvc", ActiveState="active", SubState="running", UnitFileState="enabled")
        self.assertEqual(self.call("/item/3"), '{"id": 3}')
        self.assertEqual(self.call_as_member(), '{"id": 3}')
        load = self.load()
        for action in "reload", "restart":
            self.machine.run("systemctl", action, "unixsvc")
            load.further(50)
        self.assertEqual(self.call("/item/3"), '{"id": 3}')  # on a new connection: the path is still there
        with self.machine.path("/etc/unixsvc/codes.py").open("a") as file:
            file.write("oops =\n")
        self.machine.fails("systemctl", "reload", "unixsvc")
        status = self.machine.run("systemctl", "show", "--property=StatusText", "unixsvc")
        self.assertIn("the last reload has failed: services.home: ", status)
        load.further(50)
        self.assert_unit("unixsvc", ActiveState="active", NRestarts="0")
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.failed), (0, []))
        self.machine.run("systemctl", "stop", "unixsvc")
        self.assert_unit("unixsvc", ActiveState="inactive", Result="success")
        self.assert_unit("unixsvc-home.socket", SubState="listening")

    def test_gateway(self) -> None:
        """No HTTP request fails while the orchestrator is restarted, with socket units for the gateways."""
        mounts = 'mounts = { "/codes" = "home:/" }\n' + _PATIENT
        gateway = f'[http]\nlisten = ["unix:/run/unixsvc/web.sock"]\n{mounts}'
        other = f'[http.internal]\nlisten = ["unix:/run/unixsvc/internal.sock"]\n{mounts}'
        self.configure(more=_PATIENT + gateway + other)
        self.machine.run("install", "-m", "0644", "-t", "/etc/systemd/system", *_SOCKET_UNITS)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run(
            "systemctl", "start", *(each.rpartition("/")[2] for each in _SOCKET_UNITS), "unixsvc.service"
        )
        token = self.machine.path("/var/lib/unixsvc/.auth_token").read_text().strip()
        load = HttpLoad(str(self.machine.path("/run/unixsvc/web.sock")), "/codes/item/3", token, clients=8)
        self.addCleanup(load.stop)
        load.further(20)
        for _ in range(2):
            self.machine.run("systemctl", "restart", "unixsvc")
            load.further(20)
        self.assertEqual(load.stop(), [])
        with socket.socket(socket.AF_UNIX) as internal:
            internal.settimeout(_TIMEOUT)
            internal.connect(str(self.machine.path("/run/unixsvc/internal.sock")))
            internal.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", internal.recv(4096))

    def test_inactive_socket(self) -> None:
        """The commands of the page bring back a socket unit, also after too many failures of the service."""
        self.configure()
        self.follow("systemd", "Start")
        page = "The socket unit is inactive"
        for after in "binds the", "keep this order":
            self.follow("systemd", page, after)
            self.assert_both_active()
        configuration = self.machine.path("/etc/unixsvc/unixsvc.toml")
        good = configuration.read_text()
        configuration.write_text(good + "oops = 3\n")
        self.machine.run("systemctl", "stop", "unixsvc.service")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.machine.path("/run/unixsvc/service_home.sock")))
            client.settimeout(_TIMEOUT)
            with self.assertRaises(ConnectionError):  # systemd stops listening
                client.recv(1)
        configuration.write_text(good)
        self.follow("systemd", page, "systemd gives up")
        self.assert_both_active()
        self.machine.run("systemctl", "stop", "unixsvc.service", "unixsvc-home.socket")
        self.machine.run("systemctl", "start", "unixsvc.service")
        self.assert_both_active()

    def assert_both_active(self) -> None:
        """The service runs, with its socket."""
        self.assert_unit("unixsvc.service", ActiveState="active")
        self.assert_unit("unixsvc-home.socket", ActiveState="active")

    def call_as_member(self) -> str:
        """Call the service as a member of the group, who has the token."""
        self.machine.run("useradd", "--system", "--groups", "unixsvc", "member")
        token = self.machine.path("/var/lib/unixsvc/.auth_token").read_text().strip()
        user = ["setpriv", "--reuid=member", "--regid=member", "--init-groups"]
        program = ["unixsvc", "call", "--config", "/etc/unixsvc/unixsvc.toml", "home", "/item/3"]
        return self.machine.run(*user, "env", f"UNIXSVC_TOKEN={token}", *program)

    def test_other_users(self) -> None:
        """With the drop-in, a worker runs as another user; it can be reloaded and stopped."""
        self.configure(more='user = "nobody"\ngroup = "nogroup"\n', drop_ins=["other-users"])
        self.machine.run("systemctl", "start", "unixsvc")
        for action in ("reload", "restart"):
            self.assertEqual(self.call("/item/3", user="root"), '{"id": 3}')
            self.machine.run("systemctl", action, "unixsvc")
        pid = self.machine.run("systemctl", "show", "--property=MainPID", "--value", "unixsvc")
        self.assertEqual(self.machine.run("ps", "-o", "user=", "--ppid", pid), "nobody")
        self.machine.run("systemctl", "stop", "unixsvc")
        self.assert_unit("unixsvc", Result="success")


class InstanceTests(MachineTestCase):
    """Several orchestrators."""

    def test_instances(self) -> None:
        """Two instances run side by side, each with directories, a socket unit, a credential and a log."""
        self.machine.write("/etc/unixsvc/db-password", "hunter2\n")
        self.machine.path("/etc/unixsvc/db-password").chmod(0o600)
        for color in "green", "blue":
            name = f"unixsvc-{color}"
            self.machine.path(f"/opt/{name}").symlink_to("/opt/unixsvc")
            variables = f'{{ COLOR = "{color}", PASSWORD = "${{credential:db-password}}" }}'
            self.configure(name, f"environment = {variables}\n", ["credentials", "no-network"])
        self.follow("systemd", "Several orchestrators")
        self.machine.run("systemctl", "start", "unixsvc-home@green.socket", "unixsvc@green.service")
        for color in "blue", "green":
            environment = self.call("/environment", color)
            self.assertIn(f'"COLOR": "{color}"', environment)
            self.assertIn('"PASSWORD": "hunter2"', environment)
        self.rotate_logs("unixsvc-blue", "unixsvc-green")
        self.machine.run("systemctl", "stop", "unixsvc@blue")
        self.assertEqual(self.call("/item/3", "green"), '{"id": 3}')

    def rotate_logs(self, *names: str) -> None:
        """Rename the log files; logrotate's command makes each orchestrator open its own again."""
        logs = [self.machine.path(f"/var/log/{name}/unixsvc.log") for name in names]
        for log in logs:
            log.rename(log.with_name("unixsvc.log.1"))
        text = ROOT.joinpath("deploy", "unixsvc.logrotate").read_text()
        self.machine.run("sh", "-c", text.partition("postrotate\n")[2].partition("endscript")[0])
        self.eventually(lambda: all(log.exists() for log in logs))

    def eventually(self, test: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + _TIMEOUT
        while not test():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
