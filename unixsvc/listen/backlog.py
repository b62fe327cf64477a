"""The backlog of a listening socket, as the kernel reports it; free of Twisted."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

__all__ = ["backlog_of"]

# struct tcp_info, linux/tcp.h: for a listening socket, tcpi_sacked is its backlog.
_TCP_INFO: Final = struct.Struct("=28xI")

# sock_diag(7), linux/netlink.h, linux/unix_diag.h.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_UDIAG_SHOW_RQLEN: Final = 0x10
_UNIX_DIAG_RQLEN: Final = 4
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_REQUEST: Final = struct.Struct("=BBHIIIII")  # family, protocol, padding, states, inode, show, cookie
_REPLY_BYTES: Final = 16
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_QUEUES: Final = struct.Struct("=4xI")  # waiting clients, backlog
_ANY: Final = 0xFFFFFFFF


def backlog_of(listening: socket.socket) -> int | None:
    """The backlog of a listening socket; None if the kernel does not report it."""
    try:
        if listening.family == socket.AF_UNIX:
            return _backlog_in(_query(os.fstat(listening.fileno()).st_ino))
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        (backlog,) = _TCP_INFO.unpack(info)
    except (OSError, struct.error):
        return None
    return int(backlog)


def _query(inode: int) -> bytes:
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as kernel:
        request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _ANY, inode, _UDIAG_SHOW_RQLEN, _ANY, _ANY)
        header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
        kernel.send(header + request)
        return kernel.recv(4096, socket.MSG_DONTWAIT)  # the reply is there when send() returns


def _backlog_in(reply: bytes) -> int | None:
    length, kind, *_ = _HEADER.unpack_from(reply)
    offset = _HEADER.size + _REPLY_BYTES
    while kind == _SOCK_DIAG_BY_FAMILY and offset < length:
        size, attribute = _ATTRIBUTE.unpack_from(reply, offset)
        if attribute == _UNIX_DIAG_RQLEN:
            (backlog,) = _QUEUES.unpack_from(reply, offset + _ATTRIBUTE.size)
            return int(backlog)
        offset += max(size + 3 & ~3, _ATTRIBUTE.size)
    return None
