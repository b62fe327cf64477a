"""Twisted's reactor without OpenSSL, until somebody needs that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

__all__ = ["tls_when_needed"]

_TLS: Final = "twisted.protocols.tls"
_SSL: Final = "twisted.internet.ssl"


@contextmanager
def tls_when_needed() -> Iterator[None]:
    """Have what is imported meanwhile load OpenSSL only when it encrypts something.

    Twisted's reactors load it to be able to: pyOpenSSL and cryptography, 13 MiB in each worker and a third of
    its start, and most workers never encrypt anything. All that the reactor takes from there is a factory,
    which it calls in ``connectSSL``, ``listenSSL`` and ``startTLS``; it is given one that loads the real one
    then. Whoever else imports these modules, at any time after this, gets them.
    """
    stand_ins = {name: ModuleType(name) for name in (_TLS, _SSL) if name not in sys.modules}
    if _TLS in stand_ins:
        stand_ins[_TLS].TLSMemoryBIOFactory = _factory  # type: ignore[attr-defined]  # as in any module
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _factory(*arguments: Any, **named: Any) -> Any:
    """A real ``TLSMemoryBIOFactory``."""
    return import_module(_TLS).TLSMemoryBIOFactory(*arguments, **named)
