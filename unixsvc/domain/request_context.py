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
    "set_current_request",
    "set_shielded",
]

# The request and its deadline on the clock of HandleMessage. A tuple, as each request creates one.
RequestContext = tuple[Request, float]

_current: Final[ContextVar[RequestContext | None]] = ContextVar("unixsvc.current", default=None)
_shielded: Final[ContextVar[bool]] = ContextVar("unixsvc.shielded", default=False)

current_request: Final = _current.get
set_current_request: Final = _current.set
set_shielded: Final = _shielded.set


def is_shielded(context: Context) -> bool:
    """Return whether an action in this context keeps running when its caller cancels or disconnects."""
    return context.get(_shielded, False)


def detach() -> Context:
    """Return a copy of the current context for the later steps of an action, and reset the current one."""
    context = copy_context()
    _current.set(None)
    _shielded.set(False)
    return context
