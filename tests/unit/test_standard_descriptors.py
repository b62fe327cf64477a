"""The descriptors 0 to 2 of a program that was started without them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.standard_descriptors import open_standard_descriptors


def started_without(closed: Iterable[int]) -> Any:
    """What a process has after its start without some descriptors; it is a child of this one."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        for number in closed:
            os.close(number)
            setattr(sys, ("stdin", "stdout", "stderr")[number], None)  # as the interpreter does
        open_standard_descriptors()
        found = {
            "links": [os.readlink(f"/proc/self/fd/{number}") for number in range(3)],
            "inherited": [os.get_inheritable(number) for number in range(3)],
            "streams": [stream is not None for stream in (sys.stdin, sys.stdout, sys.stderr)],
        }
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        found = json.load(file)
    os.waitpid(pid, 0)
    return found


class DescriptorTests(SynchronousTestCase):
    def test_closed(self) -> None:
        """Each that is closed leads to /dev/null, is inherited by children, and can be written to."""
        before = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
        for closed in (0,), (1,), (2,), (0, 2), (0, 1, 2):
            found = started_without(closed)
            expected = ["/dev/null" if number in closed else before[number] for number in range(3)]
            self.assertEqual(found["links"], expected)
            self.assertEqual([found["inherited"][number] for number in closed], [True] * len(closed))
            self.assertEqual(found["streams"][1:], [True, True])

    def test_no_standard_input(self) -> None:
        """A command can still say that its standard input is closed."""
        self.assertEqual(started_without([0])["streams"], [False, True, True])

    def test_open(self) -> None:
        """Those that are open stay as they are."""
        streams = sys.stdin, sys.stdout, sys.stderr
        open_standard_descriptors()
        self.assertEqual((sys.stdin, sys.stdout, sys.stderr), streams)
