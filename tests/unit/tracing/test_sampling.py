"""Which traces are recorded."""

from __future__ import annotations

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.tracing.recorded import PARENT, UNSAMPLED, WITHOUT_EXTRA, RecordedCase
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import set_current_request


class CountdownTests(SynchronousTestCase):
    skip = WITHOUT_EXTRA

    def counted(self, share: float, number: int) -> int:
        """How many of a number of requests are chosen."""
        from unixsvc.tracing.sampling import Countdown, gap

        source = random.Random(7)  # noqa: S311  # the same each time
        countdown = Countdown(share, lambda share: gap(share, source.random))
        return sum(countdown.is_due() for _ in range(number))

    def test_share(self) -> None:
        """The share is exact on average; 0 is none, 1 is all."""
        self.assertApproximates(self.counted(0.01, 200_000), 2000, 150)
        self.assertApproximates(self.counted(0.5, 20_000), 10_000, 300)
        self.assertEqual((self.counted(0.0, 1000), self.counted(1.0, 1000)), (0, 1000))

    def test_gap(self) -> None:
        """The gap has the geometric distribution: its ends, and a large one that stays a small number."""
        from unixsvc.tracing.sampling import gap

        numbers = iter((0.0, 0.49, 0.51, 0.76))
        self.assertEqual([gap(0.5, numbers.__next__) for _ in range(4)], [1, 1, 2, 3])
        self.assertEqual(gap(1e-300, lambda: 0.9), 2**29)

    def test_end_of_none(self) -> None:
        """A share of 0 chooses nothing at the end of a countdown either."""
        from unixsvc.tracing.sampling import Countdown

        countdown = Countdown(0.0)
        countdown.left = 1
        self.assertFalse(countdown.is_due())
        self.assertGreater(countdown.left, 1)


class SamplerTests(RecordedCase):
    def tearDown(self) -> None:
        """Forget the request."""
        set_current_request(None)

    def own_span(self, context: Any = None) -> None:
        """Make a span as an application does."""
        with self.provider.get_tracer("own").start_as_current_span("own", context):
            pass

    def test_within_request(self) -> None:
        """A span of the application within a request that is not recorded is not recorded either."""
        self.tracing()
        self.own_span()
        self.assertEqual(len(self.spans()), 1)
        set_current_request(Request("GET", "/"))
        self.own_span()
        self.assertEqual(self.spans(), [])

    def test_parent(self) -> None:
        """A parent decides."""
        from unixsvc.tracing.context import context_of

        self.tracing(sample=0.0)
        for traceparent, number in ((PARENT, 1), (UNSAMPLED, 0)):
            self.own_span(context_of({"traceparent": traceparent}))
            self.assertEqual(len(self.spans()), number)
