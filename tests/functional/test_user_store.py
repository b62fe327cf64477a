"""Several processes that use one file of users."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from twisted.trial.unittest import TestCase

from unix_app.user.sqlite import SQLiteUsers
from unix_app.user.users import NewUser, User

_PROCESSES = 4
_EACH = 50


def _open_together(path: str) -> list[User]:
    users = SQLiteUsers(path)
    try:
        return users.page(100, 0)
    finally:
        users.close()


def _add(path: str, process: int) -> list[User]:
    users = SQLiteUsers(path)
    try:
        return [users.add(NewUser(f"{process}.{number}")) for number in range(_EACH)]
    finally:
        users.close()


class SeveralProcesses(TestCase):
    def setUp(self) -> None:
        """Start processes that share the directory only."""
        context = multiprocessing.get_context("spawn")  # what threads held when we forked would stay held
        self.processes = ProcessPoolExecutor(_PROCESSES, mp_context=context)
        self.addCleanup(self.processes.shutdown)
        self.folder = self.mktemp()
        os.mkdir(self.folder)

    def test_creation(self) -> None:
        """Processes that create a file at the same time get one first user, and none fails."""
        for attempt in range(25):
            path = os.path.join(self.folder, f"{attempt}.sqlite3")
            found = list(self.processes.map(_open_together, [path] * _PROCESSES))
            self.assertEqual(found, [[User(1, "Zeki")]] * _PROCESSES)

    def test_writing(self) -> None:
        """Concurrent writes are kept, each user with a unique id."""
        path = os.path.join(self.folder, "users.sqlite3")
        added = list(self.processes.map(_add, [path] * _PROCESSES, range(_PROCESSES)))
        mine = SQLiteUsers(path)
        self.addCleanup(mine.close)
        everyone = sorted((user for users in added for user in users), key=lambda user: user.id)
        self.assertEqual([user.id for user in everyone], list(range(2, 2 + _PROCESSES * _EACH)))
        self.assertEqual(mine.page(1000, 1), everyone)
