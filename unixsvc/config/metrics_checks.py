"""Checks of the table ``[metrics]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from unixsvc.config.checks import check_hosts
from unixsvc.config.gateways import gateway_table
from unixsvc.config.http import Http, parse_listen
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.errors import ConfigError

__all__ = ["check_metrics"]

# A histogram has a series for each bucket, route and service.
_MAX_BUCKETS: Final = 100
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def check_metrics(metrics: MetricsEndpoint, gateways: Mapping[str, Http], source: str, folder: str) -> None:
    """Check the table.

    :param gateways: the HTTP settings by service: both cannot have the same address.
    :param source: the file, for messages.
    :param folder: the base of relative paths.
    :raises ConfigError: naming the first key that is wrong.
    """
    where = f"{source}: metrics"
    if metrics.listen:
        _check_listen(metrics.listen, gateways, f"{where}.listen", folder)
    check_hosts(metrics.allowed_hosts, f"{where}.allowed_hosts")
    _check_buckets(metrics.buckets, f"{where}.buckets")
    for name in metrics.gauges:
        if not _METRIC_NAME.fullmatch(name):
            remedy = "use letters, digits and '_', and no digit at the beginning"
            raise ConfigError(f"{where}.gauges", f"{name!r} cannot be the name of a metric", remedy)


def _check_listen(endpoint: str, gateways: Mapping[str, Http], where: str, folder: str) -> None:
    try:
        listen = parse_listen(endpoint, folder)
    except ConfigError as error:
        raise ConfigError(where, str(error)) from None
    if listen.kind == "ssl":
        remedy = "use tcp, tcp6 or unix, behind a reverse proxy if other hosts scrape"
        raise ConfigError(where, "metrics are not served with TLS", remedy)
    for service, http in gateways.items():
        for each in http.listen:
            if listen.address is not None and parse_listen(each, folder).address == listen.address:
                problem = f"{endpoint!r} is an address of [{gateway_table(service)}] too"
                raise ConfigError(where, problem, "choose another for one of them")


def _check_buckets(buckets: tuple[float, ...], where: str) -> None:
    if not all(each > 0 for each in buckets):
        raise ConfigError(where, "has a bound that is not a positive number", "write seconds, as 0.001")
    if not all(low < high for low, high in pairwise(buckets)):
        raise ConfigError(where, "are not in ascending order", "sort them, without duplicates")
    if not 1 <= len(buckets) <= _MAX_BUCKETS:
        raise ConfigError(where, f"has {len(buckets)} bounds", f"write 1 to {_MAX_BUCKETS}")
