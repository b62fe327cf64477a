"""Private APIs of CPython's socket and asyncio modules, uvloop, Twisted, Klein and svcs that are used here.

Each has its reason here, and a test in ``tests/unit/transport/test_private_apis.py`` that fails when it
changes. Checked with CPython 3.11 to 3.13, uvloop 0.23, Twisted 26.10, Klein 24.8, svcs 26.2. Private APIs of
twisted.web are in :mod:`unixsvc.rest.web.twisted_internals`, as a worker without HTTP must not import it.

Nothing is imported at module level: the orchestrator must not load asyncio, nor a worker OpenSSL.
"""

from __future__ import annotations

import gc
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import asyncio
    import socket

    from twisted.internet.interfaces import IReactorFDSet
    from twisted.internet.protocol import Protocol
    from twisted.internet.tcp import Port

__all__ = [
    "accept_function",
    "asyncio_loop_of",
    "close_without_shutdown",
    "connect_descriptors",
    "cookies_when_needed",
    "duplicate_epoll",
    "endpoints_when_needed",
    "mark_awaited",
    "mocks_when_needed",
    "poll_descriptor",
    "reserve_descriptor_for_accept",
    "run_exit_handlers",
    "tls_when_needed",
    "transport_below_tls",
    "twisted_write_buffer_size",
]

_TLS: Final = "twisted.protocols.tls"
_SSL: Final = "twisted.internet.ssl"
_MOCK: Final = "unittest.mock"
_ENDPOINTS: Final = "twisted.internet.endpoints"
_COOKIES: Final = "http.cookiejar"


def accept_function(listening: socket.socket) -> Callable[[], tuple[int, object]]:
    """``socket.socket._accept``: accepts, and returns the descriptor and the peer's address.

    The public ``accept()`` converts family and type to Enum members for each client, and makes a socket
    object of the general class, for which the event loop converts them once more.

    :returns: raises OSError as ``accept()`` does.
    """
    accept: Callable[[], tuple[int, object]] = listening._accept  # type: ignore[attr-defined]
    return accept


def mark_awaited(future: asyncio.Future[object]) -> None:
    """Clear ``Future._asyncio_future_blocking``, as asyncio's Task does when it starts to wait for a future.

    Code that drives a coroutine by ``send()`` instead of a Task has to do it itself: otherwise another
    coroutine that awaits the same future gets a RuntimeError.
    """
    future._asyncio_future_blocking = False


def reserve_descriptor_for_accept() -> None:
    """``twisted.internet.tcp._reservedFD.reserve()``, which each listening port of Twisted calls.

    With it, a port that finds no file descriptor left accepts a client and closes it. Otherwise the client
    would keep the port readable, and the reactor busy.
    """
    from twisted.internet.tcp import _reservedFD

    _reservedFD.reserve()


def close_without_shutdown(port: Port) -> None:
    """``twisted.internet.tcp.Port._shouldShutdown``: let a port close its socket without shutdown(2).

    A shutdown would also end the listening of other descriptors of the same socket.
    """
    port._shouldShutdown = False


def asyncio_loop_of(reactor: object) -> asyncio.AbstractEventLoop | None:
    """``AsyncioSelectorReactor._asyncioEventloop``: the loop that a reactor runs on; None if it runs on none.

    ``asyncio.get_running_loop()`` does not do, as it finds a loop only while that runs.
    """
    return cast("asyncio.AbstractEventLoop | None", getattr(reactor, "_asyncioEventloop", None))


def poll_descriptor(loop: asyncio.AbstractEventLoop) -> int:
    """``uvloop.Loop._get_backend_id``: the descriptor with which a loop waits for events."""
    descriptor: int = loop._get_backend_id()  # type: ignore[attr-defined]
    return descriptor


def duplicate_epoll(loop: asyncio.AbstractEventLoop) -> select.epoll:
    """``uvloop.Loop._get_backend_id``: the epoll instance with which a loop waits for events.

    ``loop.add_reader`` knows no ``EPOLLEXCLUSIVE``. So the entry of a descriptor is replaced by one with that
    flag and the same descriptor as its data, by which libuv finds what to call. libuv adds an entry when the
    loop waits next, and then only removes it (``uv_poll_stop``), until ``add_reader`` is called again for a
    descriptor without a reader. It never modifies one in between, which the kernel would refuse.

    :returns: it has a file descriptor of its own, which its ``close()`` closes.
    :raises OSError: if no file descriptor is left.
    """
    return select.epoll.fromfd(os.dup(poll_descriptor(loop)))


def transport_below_tls(transport: asyncio.Transport) -> asyncio.Transport | None:
    """``_ssl_protocol._transport`` of a TLS transport: the TCP connection that it writes to.

    The TLS transport encrypts every write at once, and says that its own buffer is empty. In uvloop
    the attributes are those of C, but the garbage collector can follow them. The test that fails when this
    changes is in ``tests/unit/listen/test_adopted.py``, where there are connections.

    :returns: None if there is none.
    """
    protocol = getattr(transport, "_ssl_protocol", None)
    if protocol is not None:
        return cast("asyncio.Transport | None", protocol._transport)
    for protocol in gc.get_referents(transport):
        if type(protocol).__name__ == "SSLProtocol":
            for below in gc.get_referents(protocol):
                if below is not transport and hasattr(below, "get_write_buffer_size"):
                    return cast("asyncio.Transport", below)
    return None


def twisted_write_buffer_size(transport: object) -> int:
    """``twisted.internet.abstract.FileDescriptor._tempDataLen``: the bytes that were written last.

    The rest is public.

    :returns: the number of bytes that the kernel has not taken yet; 0 for other transports.
    """
    unsent = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return unsent + cast(int, getattr(transport, "_tempDataLen", 0))


def run_exit_handlers() -> None:
    """``threading._shutdown`` and ``atexit._run_exitfuncs``: what the interpreter does first at its end.

    The first waits for threads that are no daemons, and lets executors of ``concurrent.futures`` end; the
    second calls what is registered with :mod:`atexit`. The rest of the interpreter's end is skipped, as it
    would destroy objects that daemon threads still use.
    """
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def connect_descriptors(protocol: Protocol, reader: int, writer: int, reactor: IReactorFDSet) -> None:
    """``twisted.internet._posixstdio.StandardIO``: connect a protocol to a descriptor for each direction.

    Its public name in ``twisted.internet.stdio`` has the signature of Windows for a type checker, which
    takes no descriptors.
    """
    from twisted.internet._posixstdio import StandardIO

    StandardIO(protocol, stdin=reader, stdout=writer, reactor=reactor)


@contextmanager
def tls_when_needed() -> Iterator[None]:
    """Make Twisted's reactor, if it is imported in this context, load OpenSSL at the first use of TLS.

    Twisted's reactors import ``TLSMemoryBIOFactory`` and :mod:`twisted.internet.ssl` in order to call them in
    ``connectSSL``, ``listenSSL`` and ``startTLS``. With pyOpenSSL and cryptography, that is 13 MiB for each
    worker and a third of its start, and most workers never encrypt anything. So the reactor gets a factory
    that imports the real one when it is called. All later imports of these modules get the real ones.
    """
    stand_ins = {name: ModuleType(name) for name in (_TLS, _SSL) if name not in sys.modules}
    if _TLS in stand_ins:
        stand_ins[_TLS].TLSMemoryBIOFactory = _make_tls_factory  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _make_tls_factory(*arguments: object, **options: object) -> object:
    return import_module(_TLS).TLSMemoryBIOFactory(*arguments, **options)


@contextmanager
def mocks_when_needed() -> Iterator[None]:
    """Make svcs, if it is imported in this context, not load :mod:`unittest.mock`.

    svcs only asks whether an object is a ``MagicMock``, which tests register. With the packages that it
    imports, the module is 1.8 MB for each worker and 2 % of its start. So svcs gets a class that asks the
    real one if that is loaded: where it is not, there are no such objects. Other names are those of the real
    module, and all later imports get that.
    """
    with _stand_in(_MOCK, MagicMock=_AnyMagicMock):
        yield


@contextmanager
def cookies_when_needed() -> Iterator[None]:
    """Make Twisted, if it is imported in this context, not load :mod:`http.cookiejar`.

    ``twisted.python.compat`` has it under a deprecated name, which nothing uses. It loads an HTTP client, a
    mail parser and hashes: 23 modules, and 5 % of the start of a worker.
    """
    with _stand_in(_COOKIES):
        yield


@contextmanager
def endpoints_when_needed() -> Iterator[None]:
    """Make Klein, if it is imported in this context, not load :mod:`twisted.internet.endpoints`.

    Klein calls one function of it, in ``Klein.run()``; the module loads OpenSSL. See :func:`tls_when_needed`.
    ``tests/functional/test_lazy_imports.py`` has the test.
    """
    with _stand_in(_ENDPOINTS, serverFromString=_server_from_string):
        yield


def _server_from_string(reactor: object, description: str) -> object:
    return import_module(_ENDPOINTS).serverFromString(reactor, description)


@contextmanager
def _stand_in(module: str, **names: object) -> Iterator[None]:
    """Put a module with these names in the place of one that is not loaded yet; others are the real ones."""
    if module in sys.modules:
        yield
        return

    def load(name: str) -> object:
        if name.startswith("__"):  # as __path__, which an import statement looks for
            raise AttributeError(name)
        if sys.modules.get(module) is stand_in:  # this context has not ended
            del sys.modules[module]
        return getattr(import_module(module), name)

    stand_in = ModuleType(module)
    vars(stand_in).update(names, __getattr__=load)
    sys.modules[module] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]


class _MagicMockType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        mock = sys.modules.get(_MOCK)
        return mock is not None and isinstance(instance, mock.MagicMock)


class _AnyMagicMock(metaclass=_MagicMockType):
    """Stands for ``unittest.mock.MagicMock`` in instance checks."""
