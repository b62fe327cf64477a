"""HTTP: the gateway and its server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from unixsvc.rest.pages.rate_limit import rate_limit
    from unixsvc.rest.pages.users import current_user, find_user, message_of, requires
    from unixsvc.rest.standalone import klein

__all__ = ["current_user", "find_user", "klein", "message_of", "rate_limit", "requires"]

# As in unixsvc: a gateway imports this package, and most need none of these.
_MODULES: Final = {
    "current_user": "pages.users",
    "find_user": "pages.users",
    "klein": "standalone",
    "message_of": "pages.users",
    "rate_limit": "pages.rate_limit",
    "requires": "pages.users",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
