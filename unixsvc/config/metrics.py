"""Metrics for Prometheus: the table ``[metrics]``."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["DEFAULT_BUCKETS", "GaugeRule", "MetricsEndpoint"]

GaugeRule: TypeAlias = Literal["sum", "min", "max", "last", "worker"]

DEFAULT_BUCKETS: tuple[float, ...] = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class MetricsEndpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics for Prometheus, at ``/metrics`` of an address of the orchestrator: the table ``[metrics]``.

    :ivar listen: a Twisted endpoint string of the type ``tcp``, ``tcp6`` or ``unix``; empty for no metrics.
    :ivar allowed_hosts: the host names of the server, as in ``[http]``. If empty, the loopback names are
        allowed on loopback addresses, and any elsewhere.
    :ivar token_file: a file with a token that each scrape must present as ``Authorization: Bearer``; empty
        for none.
    :ivar buckets: the upper bounds of the histograms of latencies, in seconds, in ascending order.
    :ivar gauges: how the gauges of applications are added up over workers, by their names: ``sum``, which is
        the default, ``min``, ``max``, ``last`` for that of the worker that has started last, or ``worker``
        for one series for each worker.
    """

    listen: str = ""
    allowed_hosts: tuple[str, ...] = ()
    token_file: str = ""
    buckets: tuple[float, ...] = DEFAULT_BUCKETS
    gauges: dict[str, GaugeRule] = {}
