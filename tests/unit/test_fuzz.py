"""A short run of the fuzzer, with the same input each time; ``tox -e fuzz`` runs it for ten minutes."""

from __future__ import annotations

from typing import Final
from unittest import mock

import msgspec
from hypothesis import strategies as st
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.socket_messages import Connection
from tests.fuzz.target import Crash, Target, fuzz
from tests.fuzz.targets import TARGETS, WELL_FORMED, share_well_formed
from unixsvc.wire import messages

_SEED: Final = 1
_EXAMPLES: Final = 60
_LOG: Final = Logger()


class TargetsTests(SynchronousTestCase):
    """Every target with a few inputs."""

    def test_framing(self) -> None:
        """Messages are the same however their bytes are cut."""
        self.assertGreater(fuzz(TARGETS["framing"], _SEED, _EXAMPLES)["messages"], 20)

    def test_socket(self) -> None:
        """Each reply is documented, and enough of them come from behind the decoder of messages."""
        outcomes = fuzz(TARGETS["socket"], _SEED, _EXAMPLES)
        self.assertGreater(share_well_formed(outcomes), WELL_FORMED)
        self.assertTrue({"200", "400"} <= set(outcomes), outcomes)

    def test_http(self) -> None:
        """Each response is documented."""
        outcomes = fuzz(TARGETS["http"], _SEED, _EXAMPLES)
        self.assertTrue({"200", "400"} <= set(outcomes), outcomes)

    def test_configuration(self) -> None:
        """Each file is loaded, or refused in one line."""
        outcomes = fuzz(TARGETS["configuration"], _SEED, _EXAMPLES)
        self.assertEqual(set(outcomes), {"loaded", "refused"})


class DetectionTests(SynchronousTestCase):
    """What counts as a crash."""

    def test_exception(self) -> None:
        """An exception is a crash: a decoder that forgets one is noticed."""
        connection = Connection(
            [b"nonsense\n"], [], "off", authenticated=False, end=True, slow=False, wait=0.0
        )
        target = Target("bytes", st.just(connection), TARGETS["socket"].run)
        self.assertEqual(fuzz(target, _SEED, 1), {"400": 1})
        with mock.patch.object(messages, "_NOT_JSON", ()):
            self.assertRaises(msgspec.DecodeError, fuzz, target, _SEED, 1)

    def test_log(self) -> None:
        """An error in the log is a crash."""

        def run(case: int) -> dict[str, int]:
            _LOG.error("wrong")
            return {}

        self.assertRaises(Crash, fuzz, Target("log", st.integers(), run), _SEED, 1)
