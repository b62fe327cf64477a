"""For which request the code that runs now works: what it asks of others has the same name and time.

It is a context variable, and so also reaches coroutines and asyncio tasks that an action starts. It is set by
:class:`~unixsvc.domain.handle_message.HandleMessage` for the first step of an action; what carries the action
on runs the further steps in a copy of that context, and clears the one in which the first step was run.
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

# The request, and when its time is over, on the use case's clock. A plain tuple, as each request makes one.
RequestContext = tuple[Request, float]

_current: Final[ContextVar[RequestContext | None]] = ContextVar("unixsvc.current", default=None)
_shielded: Final[ContextVar[bool]] = ContextVar("unixsvc.shielded", default=False)

current_request: Final = _current.get
set_current_request: Final = _current.set
set_shielded: Final = _shielded.set


def is_shielded(context: Context) -> bool:
    """Whether what runs in a context is not to be cancelled because its caller has gone."""
    return context.get(_shielded, False)


def detach() -> Context:
    """Keep the context of an action for its further steps; the present one is nobody's again."""
    context = copy_context()
    _current.set(None)
    _shielded.set(False)
    return context
