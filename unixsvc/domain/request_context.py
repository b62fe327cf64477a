"""The context of the request that the running code serves.

Calls to other services read it to pass on the request's id, trace and deadline. It is a context variable, so
coroutines and asyncio tasks that an action starts inherit it.
:class:`~unixsvc.domain.handle_message.HandleMessage` sets it for the first step of an action; the action
driver runs later steps in a copy of that context (:func:`detach`).
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from typing import Final

from unixsvc.domain.message import Request

__all__ = [
    "RequestContext",
    "current_request",
    "detach",
    "is_shielded",
    "remove_shield",
    "set_current_request",
    "set_shield",
]

# The request and its deadline on the clock of HandleMessage. A tuple, as each request creates one.
RequestContext = tuple[Request, float]

_current: Final[ContextVar[RequestContext | None]] = ContextVar("unixsvc.current", default=None)
# The shield of the running action, an object of its own; None without one.
_shield: Final[ContextVar[object | None]] = ContextVar("unixsvc.shield", default=None)

current_request: Final = _current.get
set_current_request: Final = _current.set
set_shield: Final = _shield.set


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
    context = copy_context()
    _current.set(None)
    _shield.set(None)
    return context
