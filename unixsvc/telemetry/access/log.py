"""The access log: one event for each request."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import floor
from time import time_ns
from typing import Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec.json import Encoder
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from unixsvc.domain.interfaces import IRequestLog
from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import HEALTH_ROUTES
from unixsvc.domain.trace_context import TRACEPARENT, trace_ids
from unixsvc.telemetry.access.entry import MESSAGE, NAMESPACE, Entry, fields_of
from unixsvc.telemetry.log_record import limited_name

__all__ = ["Access", "AccessLog", "Journal"]

Access: TypeAlias = Literal["off", "errors", "all"] | float
_Values: TypeAlias = tuple[int | str | None, ...]  # of an Entry

_ERROR: Final = 400
_FAILURE: Final = 500
_MAX_TEXT: Final = 1_000  # characters


class Journal(Protocol):
    """Takes entries, see :class:`~unixsvc.telemetry.access.journal.AccessJournal`.

    :ivar admits: whether requests of a route are logged; None if all are.
    """

    admits: Callable[[str], bool] | None

    def add(self, line: bytes) -> None:
        """Take one.

        :param line: an :class:`Entry` as JSON, with a line end.
        """


@implementer(IRequestLog)
class AccessLog:
    """Logs requests when they have been answered.

    The query is not logged: it may contain secrets. Health checks are not logged.

    :param service: the name of the service.
    :param access: what is logged, as ``[log] access``; not ``off``.
    :param random: returns a number from 0 to 1.
    :param slot: of the worker.
    :param journal: takes the events, for the orchestrator; None to log them as all others, which costs much
        more.
    :ivar least: the lowest code that is logged.
    """

    def __init__(
        self,
        service: str,
        access: Access,
        random: Callable[[], float] = random.random,
        *,
        slot: int = 1,
        journal: Journal | None = None,
    ) -> None:
        self._service = service
        self._slot = slot
        self.least = _ERROR if access == "errors" else 0
        self._share = access if isinstance(access, float | int) else 1.0
        self._random = random
        self._encode = Encoder().encode_lines
        self._identities: dict[str, str | None] = {}  # by the names of tokens
        self._journal = journal
        self._log = Logger(NAMESPACE)

    def record(self, request: Request, route: str, code: int, seconds: float, size: int) -> None:
        """Log a request, if it is one of those that are to be logged.

        :param route: the method and the pattern; empty for a request without a route.
        :param code: of the reply.
        :param seconds: the time from the request to the reply, or to the end of a stream.
        :param size: of the result or of all items, in bytes of JSON; of a page, as it is sent.
        """
        left_out = self._share < 1 and code < _FAILURE and self._random() >= self._share
        if left_out or route in HEALTH_ROUTES:
            return
        journal = self._journal
        if journal is not None and journal.admits is not None and not journal.admits(route):
            return
        address, meta, path = None, request.meta, request.path
        if request.headers is not None:
            address = meta.get("client_address") or getattr(request.peer_address, "host", None)
        if len(path) > _MAX_TEXT:
            path = limited_name(path)
        caller, identity = request.caller, None
        if request.extras is not None or caller.known_peer is None or caller.known_peer.uid is not None:
            identity = request.identity
        elif caller.grant is not None:  # most callers; to make the text costs more than to find it
            identity = self._identities.get(caller.grant.name)
            if identity is None:
                identity = self._identities[caller.grant.name] = caller.identity
        # Integers, as the text of a float costs as much as all others; no struct, as that costs more still.
        parent = meta.get(TRACEPARENT)
        entry: _Values = (
            time_ns(), request.request_id, request.method, path, route or None, code,
            floor(seconds * 1e6), size, identity,
        )  # fmt: skip
        if address is not None or parent is not None:
            entry = (*entry, address, parent)
        if journal is not None:
            journal.add(self._line(entry))
        else:
            fields = fields_of(msgspec.convert(entry, Entry), self._service, self._slot)
            self._log.emit(
                LogLevel.info, MESSAGE, fields=fields, request_id=request.request_id, trace=trace_ids(parent)
            )

    def _line(self, entry: _Values) -> bytes:
        try:
            return self._encode((entry,))
        except UnicodeEncodeError:  # there are surrogates in it
            plain = [limited_name(each) if isinstance(each, str) else each for each in entry]
            return self._encode((plain,))
