"""Tests of the privileges and descriptors of workers."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest import skipIf

import psutil
from twisted.trial.unittest import TestCase

from tests.functional.orchestrator_process import OrchestratorTestCase

_NOBODY = 65534
_OF_SOMEBODY = ("socket:", "pipe:", "/tmp/", "/memfd:")  # noqa: S108  # not those that look alike, as /dev/null


class PrivilegeTests(OrchestratorTestCase):
    """Users, groups, umasks, limits and descriptors of workers."""

    def test_descriptors(self) -> None:
        """A worker has the standard three, two pipes, three memories, and the listening socket."""
        self.configure(self.config + '[services.other]\napp = "codes:app"\n')
        running = self.start()
        (pid,) = self.worker_pids()
        theirs = set(self.links(running.process.pid).values())
        links = self.links(pid)
        self.assertEqual(links[0], "/dev/null")
        shared = [n for n, link in links.items() if link in theirs and link.startswith(_OF_SOMEBODY)]
        self.assertEqual(sorted(shared)[:8], [1, 2, 3, 4, 5, 6, 7, 8])
        self.assertLessEqual(
            {links[each] for each in sorted(shared)[8:]}, {links[5], links[6], links[7]}
        )  # mapped
        self.assertTrue(links[5].startswith("/memfd:unixsvc-connections"))
        self.assertTrue(links[6].startswith("/memfd:unixsvc-"))
        self.assertTrue(links[7].startswith("/memfd:unixsvc-metrics"))
        self.assertTrue(links[8].startswith("socket:"))

    def links(self, pid: int) -> dict[int, str]:
        """The target of each descriptor of a process."""
        folder, found = f"/proc/{pid}/fd", {}
        for each in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed since
                found[int(each)] = os.readlink(os.path.join(folder, each))
        return found

    def test_limits(self) -> None:
        """The umask and the resource limits apply to the worker only."""
        self.configure(self.config + 'umask = "027"\nrlimits = { open_files = 200, memory = 4000000000 }\n')
        running = self.start()
        (pid,) = self.worker_pids()
        process: psutil.Process = psutil.Process(pid)
        self.assertEqual(process.rlimit(psutil.RLIMIT_NOFILE), (200, 200))
        self.assertEqual(process.rlimit(psutil.RLIMIT_AS), (4_000_000_000, 4_000_000_000))
        with open(f"/proc/{pid}/status") as file:
            self.assertIn("Umask:\t0027\n", file)
        ours = psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(ours, (hard, hard))  # and the orchestrator has raised its own to the maximum

    @skipIf(os.geteuid() != 0, "only root can run workers as another user")
    def test_user(self) -> None:
        """A worker runs as another user and serves clients of this one."""
        os.chmod(self.folder, 0o755)
        self.configure(self.config + 'user = "nobody"\n[services.other]\napp = "codes:app"\n')
        self.start()
        (pid,), (other,) = self.worker_pids(), self.worker_pids("other")
        self.assertEqual(set(psutil.Process(pid).uids()), {_NOBODY})
        self.assertEqual(set(psutil.Process(other).uids()), {0})
        environment = self.ask("codes", "/environment")
        names = ("HOME", "USER", "PATH")
        expected = ["/nonexistent", "nobody", os.environ["PATH"]]
        self.assertEqual([environment[each] for each in names], expected)
        self.assertDone("call", "codes", "/item/3")
        self.assertEqual(stat.S_IMODE(os.stat(self.path()).st_mode), 0o660)
        self.assertDone("reload", "codes")
        self.assertDone("call", "codes", "/item/3")

    def test_wrong(self) -> None:
        """An unknown user is one line and exit code 2."""
        self.configure(self.config + 'user = "nobody-of-that-name"\n')
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 2)
        self.assertIn("services.codes.user", running.errors)
        self.assertEqual(running.errors.count("\n"), 1)


# What the framework, its dependencies and the standard library import at the start of a worker, or later.
_HOSTILE = ("svcs", "sqlite3", "uvloop", "token", "queue", "calendar", "msgspec", "twisted", "ctypes")
_FRAMEWORK = {
    "unixsvc",
    "twisted",
    "zope",
    "msgspec",
    "svcs",
    "uvloop",
    "klein",
    "werkzeug",
    "psutil",
    "attr",
    "cronsim",
    "zoneinfo",
}


@skipIf(os.geteuid() != 0, "only root can run workers as another user")
class HostileFolderTests(OrchestratorTestCase):
    """Workers of another user, who has put hostile modules into the folder of the configuration."""

    config = """
        socket_mode = "666"
        [services.late]
        app = "late_imports:app"
        user = "nobody"
        environment = { X = "y" }
        [services.other]
        app = "late_imports:app"
        user = "nobody"
    """

    def setUp(self) -> None:
        """Fill the folder, and start the services there."""
        super().setUp()
        log = os.path.join(self.folder, "imported")
        for name in _HOSTILE:
            Path(self.folder, f"{name}.py").write_text(
                f"import os\nwith open({log!r}, 'a') as file: print({name!r}, os.geteuid(), file=file)\n"
            )
        Path(self.folder, "twisted/plugins").mkdir(parents=True)
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "run"), 0o755)
        for folder, _, files in os.walk(self.folder):
            for each in folder, *(os.path.join(folder, file) for file in files):
                os.chown(each, _NOBODY, _NOBODY)
        os.chown(os.path.join(self.folder, "run"), 0, 0)

    def assert_nothing_imported(self) -> None:
        """No hostile module was imported, by any user."""
        log = Path(self.folder, "imported")
        self.assertFalse(log.exists() and log.read_text())

    def test_worker(self) -> None:
        """It has no privileges, a small environment, and imports no module of the framework late."""
        running = self.start(environment={"SECRET": "of the orchestrator", "TZ": "UTC"})
        self.assertTrue(running.logged("unixsvc.toml", "who could replace it and become root"))
        threads = self.ask("late", "/status")
        self.assertGreater(len(threads), 1)
        for status in threads:
            capabilities = [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
            self.assertEqual((capabilities, status["NoNewPrivs"]), (["0" * 16] * 5, "1"))
        environment = self.ask("late", "/environment")
        self.assertEqual((environment["USER"], environment["X"], environment["TZ"]), ("nobody", "y", "UTC"))
        self.assertNotIn("SECRET", environment)
        with self.talk("late") as talk:
            self.assertEqual(talk.ask(id=1, path="/ask")["data"], [7, 1, 2])
            for path, method, data in (
                ("/blocking", "POST", {"number": 7}), ("/blocking", "POST", {}), ("/fails", "GET", {}),
                ("/broken", "GET", {}), ("/absent", "GET", {}), ("/fails", "POST", {}),
            ):  # fmt: skip
                talk.ask(id=2, path=path, method=method, data=data)
        self.assertDone("reload", "late")
        self.assertDone("call", "late", "/stream")
        late = self.ask("late", "/imported")
        self.assertEqual([name for name in late if name.partition(".")[0] in _FRAMEWORK], [])
        self.assert_nothing_imported()

    def test_check(self) -> None:
        """``unixsvc check`` imports no application as root; it warns of the folder and of hidden modules."""
        Path(self.folder, "shop.py").write_text(
            "import os\nfrom unixsvc import App\napp = App([], title=str(os.geteuid()))\n"
            f"assert os.geteuid() == {_NOBODY}\n"
        )
        self.configure('[services.shop]\napp = "shop:app"\nuser = "nobody"\n')
        done = self.command("check")
        self.assertEqual((done.code, done.out), (0, "shop: fine, 0 routes\n"), done.err)
        self.assertIn("who could replace it and become root", done.err)
        self.assertIn("token.py: the module 'token' of Python's standard library is imported", done.err)
        self.assert_nothing_imported()


class ShadowingTests(OrchestratorTestCase):
    """A folder with modules that have names of the standard library, without root."""

    def test_names(self) -> None:
        """They change nothing: workers, ``twistd`` and the command line import those of Python."""
        for name in _HOSTILE:
            Path(self.folder, f"{name}.py").write_text(f"raise ImportError('{name} of the application')\n")
        self.start()
        self.assertDone("call", "codes", "/item/3")
        self.assertDone("reload")


class ClosedDescriptorTests(OrchestratorTestCase):
    """An orchestrator that is started without standard input, output and error."""

    def test_closed(self) -> None:
        """It has /dev/null instead, serves, and logs to the file of --logfile."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", twistd, "-n", "--logfile=log", "unixsvc"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        log = Path(self.folder, "log")
        self.eventually(lambda: log.exists() and "ready: codes" in log.read_text())
        standard = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        self.assertEqual(standard, ["/dev/null"] * 3)
        self.assertDone("call", "codes", "/item/3")


@skipIf(os.geteuid() != 0, "only root can make all paths unreachable")
class UnreadableInstallationTests(TestCase):
    """A worker whose user cannot enter the folder of the installation, as a virtual environment of root."""

    def test_gateway(self) -> None:
        """What HTTP and the log need is there before the privilege drop. Here, no path exists after it."""
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        script = f"""
            import os
            from unixsvc.rest import docs_pages
            from unixsvc.rest.web.klein_app import ServiceKlein
            from unixsvc.telemetry.log_record import FORMATS, LogRecord
            klein = ServiceKlein()
            docs_pages.add_pages(klein, None)
            os.chroot({folder!r})
            urls = klein.url_map.bind("localhost")
            urls.match("/docs")
            urls.build("unixsvc.health")
            page = docs_pages._page_content({{"info": {{"title": "Shop"}}}})
            record = LogRecord(0.0, "info", "shop", "\\u202e\\U000e0001")
            print(b"Shop" in page.body, *(form(record).isascii() for form in FORMATS.values()))
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.stdout, done.stderr), ("True True True\n", ""))
