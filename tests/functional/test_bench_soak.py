"""``python -m bench soak``, as short as possible."""

from __future__ import annotations

from tests.functional.bench_case import TIMEOUT, BenchCase


class SoakTests(BenchCase):
    """The smoke form, which has the limits of processes that live for a few minutes only."""

    def soak(self, *arguments: str) -> tuple[int, str]:
        """Run it; the exit code and the output."""
        process = self.start("-m", "bench", "soak", "--smoke", *arguments)
        out, errors = process.communicate(timeout=TIMEOUT)
        self.assertIn(process.returncode, (0, 1), errors)
        self.assertNothingLeft()
        return process.returncode, out

    def test_all_kinds(self) -> None:
        """Each process is measured, and each kind of load is answered, over a reload and killed workers."""
        _, out = self.soak()
        for words in ("orchestrator ", "http worker ", "shop worker ", "stock worker ", " killed workers"):
            self.assertIn(words, out)
        answered = [line.split() for line in out.splitlines() if " answered, " in line]
        self.assertEqual(len(answered), 9)
        for line in answered:
            self.assertGreater(int(line[line.index("answered,") - 1].replace(",", "")), 0, line)

    def test_leak(self) -> None:
        """A leak is found: the process is named, and the exit code is 1."""
        code, out = self.soak("--leak", "20000")
        self.assertEqual(code, 1)
        [gateway] = [line for line in out.splitlines() if line.startswith("http worker")]
        self.assertTrue(gateway.rstrip().endswith("grows"), gateway)
