"""Which objects provide an interface.

Classes of applications need not declare it with ``@implementer``: type checkers without a plugin cannot read
zope.interface.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from zope.interface import Invalid
from zope.interface.verify import verifyClass, verifyObject

__all__ = ["as_provider", "can_implement"]

_T = TypeVar("_T")


def as_provider(interface: type[_T], value: object) -> _T | None:
    """Return an object that has the methods of an interface, with its parameters; None for another."""
    zope_interface: Any = interface
    try:
        verifyObject(zope_interface, value, tentative=True)
    except Invalid:
        return None
    return cast(_T, value)


def can_implement(interface: type[object], cls: type) -> bool:
    """Return whether a class has the methods of an interface; attributes may be set by its instances."""
    zope_interface: Any = interface
    try:
        verifyClass(zope_interface, cls, tentative=True)
    except Invalid:
        return False
    return True
