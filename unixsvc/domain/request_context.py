"""The context of the request that the running code serves.

Calls to other services read it to pass on the request's id, trace and deadline, and the log to name the
request. It is in a context variable, so threads, coroutines and asyncio tasks that an action starts inherit
it. :class:`~unixsvc.domain.handle_message.HandleMessage` sets it for the first step of an action; the action
driver runs later steps in a copy of that context (:func:`detach`).

Setting a context variable costs a thirtieth of a small request. So the variable has a :class:`RequestSlot`,
which all requests that are served one after the other in one context share. A request whose context may have
been copied keeps the slot (:func:`keep_current_request`), and the next one gets another.
"""

from __future__ import annotations

import math
from contextvars import Context, ContextVar, copy_context
from typing import Final

from unixsvc.domain.message import Request
from unixsvc.domain.route_series import UNCOUNTED

__all__ = [
    "RequestContext",
    "RequestSlot",
    "adopt",
    "current_request",
    "current_request_id",
    "current_slot",
    "detach",
    "enter_slot",
    "is_shielded",
    "keep_current_request",
    "leave_slot",
    "lift_deadline",
    "new_context",
    "remove_shield",
    "set_current_request",
    "set_shield",
    "slot_in",
]

# The request and its deadline on the clock of HandleMessage.
RequestContext = tuple[Request, float]


class RequestSlot:
    """The place of the current request in a context.

    :ivar request: None while there is none.
    :ivar started: when the request has started, on the clock of HandleMessage.
    :ivar seconds: the time limit.
    :ivar series: where its reply is counted.
    :ivar kept: whether the slot belongs to its request only; :func:`leave_slot` ends the request then.
    :ivar outer: the slot of the request whose action is being run meanwhile; nearly always None.
    :ivar left: whether the first step of its request is over. Another context may still have the slot, if it
        was copied before the request.
    """

    __slots__ = ("kept", "left", "outer", "request", "seconds", "series", "started")

    def __init__(
        self, request: Request | None = None, outer: RequestSlot | None = None, *, kept: bool = False
    ) -> None:
        self.request = request
        self.kept = kept or outer is not None
        self.outer = outer
        self.left = False
        self.started = self.seconds = 0.0
        self.series = UNCOUNTED


# Not empty, so that no request uses it.
_NO_SLOT: Final = RequestSlot(Request("", ""))
_current: Final[ContextVar[RequestSlot]] = ContextVar("unixsvc.current", default=_NO_SLOT)
# The shield of the running action, an object of its own; None without one.
_shield: Final[ContextVar[object | None]] = ContextVar("unixsvc.shield", default=None)

current_slot: Final = _current.get
set_shield: Final = _shield.set


def current_request() -> RequestContext | None:
    """Return the current request and its deadline; None if there is none."""
    slot = _current.get()
    request = slot.request
    if request is None or slot is _NO_SLOT:
        return None
    seconds = slot.seconds if request.timeout is None else min(slot.seconds, request.timeout)
    return request, slot.started + seconds


def current_request_id() -> str:
    """Return the id of the request that the calling code serves; empty if it serves none.

    It is known in an action, in the threads, coroutines and asyncio tasks that it starts, and in streams.
    """
    slot = _current.get()
    request = slot.request
    return "" if request is None or slot is _NO_SLOT else request.request_id


def set_current_request(request: Request | None, started: float = 0.0, seconds: float = 0.0) -> None:
    """Set the current request of this context; None for none.

    :param started: when it has started.
    :param seconds: the time limit, besides that of the caller.
    """
    slot = _NO_SLOT
    if request is not None:
        slot = RequestSlot(request)
        slot.started, slot.seconds = started, seconds
    _current.set(slot)


def enter_slot(*, keep: bool) -> RequestSlot:
    """Give this context a slot for the next request, as the present one is in use.

    :param keep: whether that request keeps it in any case.
    """
    present = _current.get()
    outer = None if present is _NO_SLOT or present.left else present
    slot = RequestSlot(outer=outer, kept=keep)
    _current.set(slot)
    return slot


def new_context() -> Context:
    """Return a copy of the current context, with a slot for requests that are served one after the other."""
    context = copy_context()
    context.run(_current.set, RequestSlot())
    return context


def leave_slot(slot: RequestSlot) -> None:
    """End a request that has kept its slot, in this context."""
    slot.left = True
    _current.set(slot.outer or _NO_SLOT)


def keep_current_request() -> None:
    """Keep the current request in copies of this context that outlive the request."""
    slot = _current.get()
    if slot.request is not None:
        slot.kept = True


def lift_deadline() -> None:
    """Let only the caller limit the time of the current request, as its body arrives while it runs."""
    slot = _current.get()
    if slot.request is not None and slot is not _NO_SLOT:
        slot.seconds = math.inf


def slot_in(context: Context) -> RequestSlot | None:
    """Return the slot of the request of a context; None if it has none."""
    slot = context.get(_current)
    return None if slot is None or slot is _NO_SLOT or slot.request is None else slot


def is_shielded(context: Context) -> bool:
    """Return whether an action in this context keeps running when its caller cancels or disconnects."""
    return context.get(_shield) is not None


def remove_shield(shield: object) -> None:
    """End a shield, if it is the one of the current context.

    An abandoned action is closed by the garbage collector, while another action may run.
    """
    if _shield.get() is shield:
        _shield.set(None)


def detach() -> Context:
    """Return a copy of the current context for the later steps of an action, and reset the current one."""
    slot = _current.get()
    slot.left = True
    context = copy_context()
    _current.set(slot.outer or _NO_SLOT)
    _shield.set(None)
    return context


def adopt(context: Context) -> None:
    """Take over what the first step of a request has left in another context, as if it had run here."""
    _current.set(context.get(_current, _NO_SLOT))
    _shield.set(context.get(_shield))
