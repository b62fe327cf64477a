from __future__ import annotations

import os
import re
import time
from importlib.util import find_spec
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.load.raw_client import Creation, Workload
from bench.parts.http_load import parse_wrk, wrk_script
from bench.parts.http_systems import HTTP_SYSTEMS
from bench.service import cpu_seconds

_WRK = """\
Running 1s test @ http://127.0.0.1:1/user/7
  1 threads and 20 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   162.21us   48.00us   1.65ms   93.15%
  123456 requests in 1.10s, 15.00MB read
Requests/sec: 112232.73
Transfer/sec:     13.64MB
"""


class SystemsTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Each system has a name of its own, which fits into the picture."""
        names = [each.name for each in HTTP_SYSTEMS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([each for each in names if len(each) > 19], [])

    def test_exact_versions(self) -> None:
        """A peer's libraries are exact, as its speed depends on them; the report names them."""
        for system in HTTP_SYSTEMS:
            for each in system.requirements:
                self.assertRegex(each, r"^[a-z]+==\d+(\.\d+)+$")

    def test_uvicorn(self) -> None:
        """Under uvicorn uvloop is older than 0.23, with which it writes a response by two system calls."""
        on_uvicorn = [each.requirements for each in HTTP_SYSTEMS if "uvicorn" in str(each.requirements)]
        self.assertEqual(len(on_uvicorn), 6)
        self.assertEqual({each for each in on_uvicorn if "uvloop==0.22.1" not in each}, set())

    def test_applications(self) -> None:
        """Each application that a peer is started with exists."""
        spec = find_spec("bench.parts.http_systems")
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin).read_text()
        modules = set(re.findall(r'"(\w+_app|raw_\w+|bare_\w+)"', source))
        self.assertGreater(len(modules), 8)
        present = {each.stem for each in Path(spec.origin).parents[1].glob("servers/http/*.py")}
        self.assertEqual(modules | {"__init__", "starlette_app"}, present)


class WrkTests(SynchronousTestCase):
    def test_result(self) -> None:
        """The rate and the number of replies are read from wrk's output."""
        self.assertEqual(parse_wrk(_WRK), (112232.73, 123456))

    def test_errors(self) -> None:
        """A run in which a reply was an error, or a connection failed, is no result."""
        for each in ("  Non-2xx or 3xx responses: 7\n", "  Socket errors: connect 0, read 1\n"):
            self.assertEqual(parse_wrk(_WRK + each), (0.0, 0))
        self.assertEqual(parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n"), (0.0, 0))

    def test_get(self) -> None:
        """A GET needs no script except for the token."""
        self.assertEqual(wrk_script(Workload(), ""), "")
        self.assertEqual(wrk_script(Workload(), "abc"), 'wrk.headers["Authorization"] = "Bearer abc"\n')

    def test_post(self) -> None:
        """A POST has its body, and the type of it."""
        script = wrk_script(Creation(), "")
        self.assertIn('wrk.method = "POST"\nwrk.body = [[{"name":"Ada","age":36}]]\n', script)
        self.assertIn('wrk.headers["Content-Type"] = "application/json"\n', script)


class CpuTests(SynchronousTestCase):
    def test_own_process(self) -> None:
        """The CPU time of a process is the one that the process itself sees."""
        before = time.process_time()
        measured = cpu_seconds(os.getpid())
        self.assertLessEqual(before, measured)
        self.assertLessEqual(measured, time.process_time())
