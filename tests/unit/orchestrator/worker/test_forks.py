"""What the forked child of a worker shares with it, and the end of descendants."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.worker.test_privileges import in_child
from unixsvc.orchestrator.descendants.adopted import AdoptedProcesses, become_subreaper
from unixsvc.orchestrator.descendants.group import DescendantGroup
from unixsvc.orchestrator.worker import process_tree
from unixsvc.orchestrator.worker.forks import (
    WORKER_VARIABLE,
    end_process_group,
    ignore,
    isolate_forks,
    lead_session,
)
from unixsvc.orchestrator.worker.process_tree import children, kill_tree


def sleeping(**options: Any) -> int:
    """Start a program that sleeps; its pid."""
    return subprocess.Popen(["sleep", "1000"], **options).pid


def waiting() -> int:
    """Fork a process that waits for a signal; its pid."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    return pid


def signal_of(pid: int) -> int:
    """Wait for a child of this process; the signal that has ended it."""
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


class ForkTests(SynchronousTestCase):
    """Forks of a process that has called isolate_forks."""

    def links(self, listening: socket.socket, *others: int) -> Any:
        """Where descriptors lead in a forked child: a letter for each, ``-`` for ``/dev/null``."""
        client = socket.socket(listening.family)
        client.connect(listening.getsockname())
        accepted, _ = listening.accept()
        again = accepted.dup()
        own, poll = os.pipe(), select.epoll()
        numbers = [*own, *(each.fileno() for each in (poll, listening, accepted, again, client)), *others]

        def look() -> str:
            links = [os.readlink(f"/proc/self/fd/{number}") for number in numbers]
            return "".join("-" if link == "/dev/null" else "x" for link in links)

        def fork() -> Any:
            isolate_forks(own, [listening.fileno()], poll.fileno())
            return in_child(look)

        return in_child(fork)

    def test_tcp(self) -> None:
        """A child has neither the listening socket nor those of its clients; it keeps all others."""
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as other:
            self.assertEqual(self.links(listening, other.fileno()), "------xx")

    def test_unix(self) -> None:
        """The same holds for Unix sockets; pairs of sockets without a name are kept."""
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_UNIX) as listening:
            listening.bind("")  # an abstract name
            listening.listen()
            self.assertEqual(self.links(listening, ours.fileno()), "------xx")

    def test_no_descriptors(self) -> None:
        """A child of a process that has no descriptor left is isolated too."""

        def fork() -> Any:
            listening, poll = socket.create_server(("127.0.0.1", 0)), select.epoll()
            with socket.create_connection(listening.getsockname()):
                accepted, _ = listening.accept()
                isolate_forks(os.pipe(), [listening.fileno()], poll.fileno())
                reading, writing = os.pipe()
                opened = []
                try:
                    while True:
                        opened.append(os.dup(0))
                except OSError:
                    pid = os.fork()
                if pid == 0:
                    os.close(opened[0])
                    os.write(writing, os.readlink(f"/proc/self/fd/{accepted.fileno()}").encode())
                    os._exit(0)
                os.waitpid(pid, 0)
                return os.read(reading, 100).decode()

        self.assertEqual(in_child(fork), "/dev/null")

    def test_signals(self) -> None:
        """A child has the defaults of Python, and what it gets does not wake the event loop of its parent."""

        def fork() -> Any:
            reading, writing = socket.socketpair()
            writing.setblocking(False)
            signal.set_wakeup_fd(writing.fileno())
            ignore(signal.SIGINT, signal.SIGHUP)
            signal.signal(signal.SIGTERM, lambda *_: None)
            poll = select.epoll()
            isolate_forks(os.pipe(), [], poll.fileno())
            killed = [waiting() for _ in range(2)]
            for pid, number in zip(killed, (signal.SIGTERM, signal.SIGHUP), strict=True):
                os.kill(pid, number)
            ended = [signal_of(pid) for pid in killed]
            reading.setblocking(False)
            try:
                ended.append(len(reading.recv(9)))
            except BlockingIOError:
                ended.append(0)
            return [*ended, len(signal.pthread_sigmask(signal.SIG_BLOCK, []))]

        self.assertEqual(in_child(fork), [signal.SIGTERM, signal.SIGHUP, 0, 0])

    def test_ignore(self) -> None:
        """What a worker ignores, a program that it executes does not."""

        def run() -> list[int]:
            ignore(signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
            done = subprocess.run(["sh", "-c", "kill -HUP $$"], check=False)
            return [done.returncode]

        self.assertEqual(in_child(run), [-signal.SIGHUP])


class DescendantTests(SynchronousTestCase):
    """The end of processes that a worker has started."""

    def test_group(self) -> None:
        """A group gets signals as long as it has a process; also programs in groups of their own."""

        def run() -> Any:
            become_subreaper()
            pid = os.fork()
            if pid == 0:
                lead_session()
                sleeping()
                sleeping(start_new_session=True)
                subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})
                os._exit(0)
            os.waitpid(pid, 0)
            left = children()
            group = DescendantGroup(pid)
            found = [group.terminate()]
            ended = sorted(signal_of(each) for each in left[:2])
            found.append(group.terminate())
            unmarked = [each for each in children() if WORKER_VARIABLE]
            kill_tree(unmarked[0])
            return [len(left), found, ended, len(unmarked)]

        self.assertEqual(in_child(run), [3, [True, False], [signal.SIGTERM] * 2, 1])

    def test_foreign_group(self) -> None:
        """A process of a worker can join neither the group of another worker nor that of the orchestrator."""

        def join(group: int) -> str:
            try:
                os.setpgid(0, group)
            except PermissionError:
                return "refused"
            return "joined"

        def run() -> Any:
            orchestrator = os.getpgid(0)
            reading, writing = os.pipe()
            other = os.fork()
            if other == 0:
                lead_session()
                os.write(writing, b"x")
                signal.pause()
            os.read(reading, 1)

            def worker() -> Any:
                lead_session()
                return in_child(lambda: [join(other), join(orchestrator)])

            try:
                return in_child(worker)
            finally:
                kill_tree(other)

        self.assertEqual(in_child(run), ["refused", "refused"])

    def test_generations(self) -> None:
        """The descendants of a process are killed, however many generations there are."""
        killed: list[int] = []
        self.patch(process_tree, "children", lambda pid: [pid + 1] if pid < 5000 else [])
        self.patch(os, "kill", lambda pid, number: killed.append(pid))
        kill_tree(1)
        self.assertEqual(killed, list(range(1, 5001)))

    def test_orphan(self) -> None:
        """A worker without an orchestrator kills all its children and itself."""

        def run() -> Any:
            become_subreaper()
            pid = os.fork()
            if pid == 0:
                lead_session()
                sleeping()
                sleeping(start_new_session=True)
                end_process_group(0)
            ended = [signal_of(pid)]
            return ended + [signal_of(each) for each in children()]

        self.assertEqual(in_child(run), [signal.SIGKILL] * 3)

    def test_adopted(self) -> None:
        """Adopted processes are reaped each second, workers are not, and the rest is killed at the end."""

        def run() -> Any:
            become_subreaper()
            worker = os.fork() or os._exit(0)
            pid = os.fork()
            if pid == 0:
                if os.fork() == 0:
                    os.setsid()
                    os._exit(0)
                sleeping(start_new_session=True)
                os._exit(0)
            os.waitpid(pid, 0)
            clock = Clock()
            adopted = AdoptedProcesses(clock, lambda: [worker])
            adopted.startService()
            ended, lives = sorted(set(children()) - {worker})
            os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
            found = [ended in children()]
            clock.advance(1)
            found += [ended in children(), lives in children(), worker in children()]
            adopted.stopService()
            with contextlib.suppress(ChildProcessError):  # it may be reaped already
                os.waitid(os.P_PID, lives, os.WEXITED)
            return found

        self.assertEqual(in_child(run), [True, False, True, True])
