"""The limit of open files."""

from __future__ import annotations

import contextlib
import errno
import os
import resource

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.fd_limits import DescriptorReserve, raise_limit


class LimitTestCase(SynchronousTestCase):
    """A test that changes the limit."""

    def setUp(self) -> None:
        """Restore the limit after the test."""
        self.soft, self.hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (self.soft, self.hard))

    def use_up(self) -> list[int]:
        """Leave no file descriptor; those that were opened are closed after the test."""
        first = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, first)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first + 20, self.hard))
        opened = []
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        for each in opened:
            self.addCleanup(os.close, each)
        return opened

    def left(self) -> int:
        """How many file descriptors can be opened."""
        opened: list[int] = []
        try:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            self.assertEqual(error.errno, errno.EMFILE)
        for each in opened:
            os.close(each)
        return len(opened)


class ReserveTests(LimitTestCase):
    """A reserve of file descriptors."""

    def setUp(self) -> None:
        """Make a reserve of five."""
        super().setUp()
        self.reserve = DescriptorReserve(5)
        self.addCleanup(self.reserve.close)

    def test_released(self) -> None:
        """With no other descriptor left, as many can be opened while it is released."""
        self.reserve.fill()
        self.use_up()
        self.assertEqual(self.left(), 0)
        with self.reserve.released():
            self.assertEqual(self.left(), 5)
        self.assertEqual(self.left(), 0)

    def test_partly_used(self) -> None:
        """What was opened meanwhile is missing afterwards, and opened again when it is closed."""
        self.reserve.fill()
        self.use_up()
        with self.reserve.released():
            used = os.open(os.devnull, os.O_RDONLY)
        with self.reserve.released():
            self.assertEqual(self.left(), 4)
            os.close(used)
        with self.reserve.released():
            self.assertEqual(self.left(), 5)

    def test_error(self) -> None:
        """It is filled again after an error."""
        self.reserve.fill()
        self.use_up()
        with contextlib.suppress(ZeroDivisionError), self.reserve.released():
            1 / 0  # noqa: B018  # for its error
        self.assertEqual(self.left(), 0)

    def test_empty(self) -> None:
        """A reserve of nothing changes nothing."""
        with DescriptorReserve(0).released():
            pass


class RaiseTests(LimitTestCase):
    """The limit that programs start with."""

    def test_raised(self) -> None:
        """The limit is raised to its maximum."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.soft - 1, self.hard))
        raise_limit()
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (self.hard, self.hard))
