"""The table ``[tracing]``: where traces go, and how many."""

# Annotations are not postponed: see unixsvc.config.settings.

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from unixsvc.config.types import Count, Seconds
from unixsvc.errors import ConfigError

__all__ = ["Tracing", "check_tracing"]

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")


class Tracing(Struct, frozen=True, forbid_unknown_fields=True):
    """Traces of requests: the table ``[tracing]``.

    :ivar exporter: ``otlp`` sends spans to a collector, as OTLP over HTTP; ``off`` makes none.
    :ivar endpoint: the URL that spans are sent to.
    :ivar headers: header fields for the collector, such as ``Authorization``.
    :ivar sample: the share of the traces that begin here and are recorded, from 0 to 1. A caller that records
        its trace, or does not, decides for its calls.
    :ivar trust_http: whether clients over HTTP decide too; if not, ``sample`` limits the traces that they
        ask for.
    :ivar namespace: the ``service.namespace`` of all services; empty for none.
    :ivar max_queue: spans that wait to be sent; further ones are lost.
    :ivar interval: how often they are sent, in seconds.
    :ivar timeout: how long sending may take, in seconds.
    :ivar flush_timeout: how long the end of a worker waits for the last ones to be sent, in seconds.
    :ivar link_after: calls of a stream that has run for longer begin traces of their own, which are linked to
        that of the stream, in seconds.
    """

    exporter: Literal["off", "otlp"] = "off"
    endpoint: str = "http://127.0.0.1:4318/v1/traces"
    headers: dict[str, str] = {}
    sample: Annotated[float, Meta(ge=0, le=1)] = 0.01
    trust_http: bool = False
    namespace: str = ""
    max_queue: Count = 2048
    interval: Seconds = 5.0
    timeout: Seconds = 10.0
    flush_timeout: Seconds = 2.0
    link_after: Seconds = 60.0


def check_tracing(tracing: Tracing, source: str) -> None:
    """Check the endpoint and the headers.

    :param source: the file, for messages.
    :raises ConfigError: if one of them is not valid.
    """
    if not _is_endpoint(tracing.endpoint):
        remedy = "write it with its path, as http://127.0.0.1:4318/v1/traces"
        raise ConfigError(
            f"{source}: tracing.endpoint", f"{tracing.endpoint!r} is not the URL of a collector", remedy
        )
    for name, value in tracing.headers.items():
        if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            remedy = "use letters, digits and punctuation"
            raise ConfigError(f"{source}: tracing.headers", f"{name!r} cannot be a header field", remedy)


def _is_endpoint(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    has_secret = url.username is not None or url.password is not None  # they belong into a header
    return (
        url.scheme in ("http", "https")
        and bool(url.hostname)
        and url.path not in ("", "/")
        and not (has_secret or url.query or url.fragment)
    )
