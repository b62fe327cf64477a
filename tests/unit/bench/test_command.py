from __future__ import annotations

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from bench.compare.command import compare_command


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(compare_command, arguments)


class ArgumentTests(SynchronousTestCase):
    def test_too_many_revisions(self) -> None:
        """Two revisions are compared, not three."""
        result = _run("one", "two", "three")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("unexpected extra argument (three)", result.output)

    def test_numbers(self) -> None:
        """A limit that is no number is an error, with the name of the option."""
        result = _run("--limit", "three")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("--limit", result.output)

    def test_rounds(self) -> None:
        """At least one round is needed."""
        result = _run("--rounds", "0")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("--rounds", result.output)

    def test_help(self) -> None:
        """The help says what the default of each revision is."""
        result = _run("--help")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("merge base", result.output)
        self.assertIn("bench/baseline", result.output)
