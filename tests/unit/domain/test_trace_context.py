"""W3C Trace Context and Baggage in the meta of requests."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Request
from unixsvc.domain.trace_context import (
    drop_meta,
    inherited_meta,
    is_sampled,
    is_traceparent,
    mark_unsampled,
    trace_ids,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def of(flags: str, version: str = "00") -> str:
    """A traceparent."""
    return f"{version}-{TRACE}-{SPAN}-{flags}"


class TraceContextTests(SynchronousTestCase):
    def test_inherited(self) -> None:
        """A call inherits the id of the request, and what belongs to the trace; not what is too long."""
        meta = {"request_id": "r", "traceparent": "t", "tracestate": "s" * 512, "baggage": "b", "own": "o"}
        expected = {name: value for name, value in meta.items() if name != "own"}
        self.assertEqual(inherited_meta(Request("GET", "/", meta=meta)), expected)
        meta |= {"tracestate": "s" * 513, "baggage": "b" * 8193}
        found = inherited_meta(Request("GET", "/", meta=meta))
        self.assertEqual(found, {"request_id": "r", "traceparent": "t"})
        self.assertEqual(list(inherited_meta(Request("GET", "/"))), ["request_id"])

    def test_valid(self) -> None:
        """Ids are not zero, and only later versions may have more."""
        valid = (of("00"), of("01"), of("01", "01"), of("01-more", "01"))
        invalid = (
            "",
            "00-1-2-01",
            of("01", "ff"),
            of("01-more"),
            of("01").replace(TRACE, "0" * 32),
            of("0G"),
        )
        self.assertEqual([*map(is_traceparent, valid)], [True] * len(valid))
        self.assertEqual([*map(is_traceparent, invalid)], [False] * len(invalid))

    def test_sampled(self) -> None:
        """The lowest bit says whether the caller records the trace."""
        flags = ("00", "01", "02", "03", "ff", "fe")
        self.assertEqual([is_sampled(of(each)) for each in flags], [False, True, False, True, True, False])
        self.assertFalse(is_sampled("01" * 27 + "1"))

    def test_ids(self) -> None:
        """The ids of the trace and the span; none of one that is not valid."""
        self.assertEqual(trace_ids(of("00")), (TRACE, SPAN))
        self.assertEqual((trace_ids(None), trace_ids("x")), (("", ""), ("", "")))

    def test_mark(self) -> None:
        """A request that is not recorded keeps its ids, or gets new ones; its meta is not shared then."""
        meta = {"traceparent": of("01"), "own": "o"}
        request = Request("GET", "/", meta=meta)
        mark_unsampled(request)
        self.assertEqual(request.meta, {"traceparent": of("00"), "own": "o"})
        self.assertEqual(meta["traceparent"], of("01"))
        for given in ({}, {"traceparent": "00-1-2-01"}):
            request = Request("GET", "/", meta={**given})
            mark_unsampled(request)
            traceparent = request.meta["traceparent"]
            self.assertTrue(is_traceparent(traceparent) and not is_sampled(traceparent), traceparent)

    def test_drop(self) -> None:
        """An entry can be removed."""
        request = Request("GET", "/", meta={"traceparent": "x", "own": "o"})
        drop_meta(request, "traceparent")
        self.assertEqual(request.meta, {"own": "o"})
