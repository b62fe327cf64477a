"""The health check of a worker over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint

from unixsvc.errors import BadGateway, error_from
from unixsvc.listen.socket_pair import request_over_socket_pair

__all__ = ["probe"]


async def probe(reactor: Any, endpoint: IStreamServerEndpoint, factory: IProtocolFactory, token: str) -> None:
    """Request ``/-/health`` over a socket pair, without the listening socket.

    :param reactor: adopts a connected socket; Twisted has no interface for that alone.
    :param factory: makes the server's side of the connection.
    :param token: sent with the request, unless it is empty.
    :raises unixsvc.errors.ServiceError: the response, if it is an error.
    :raises unixsvc.errors.BadGateway: if the response is not HTTP.
    :raises ConnectionError: if there is no response.
    """
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    # The Host is empty: allowed_hosts may have any names.
    request = f"GET /-/health HTTP/1.1\r\nHost:\r\nConnection: close\r\n{authorization}\r\n"
    _check_response(await request_over_socket_pair(reactor, endpoint, factory, request.encode()))


class _Problem(msgspec.Struct):
    title: str = ""
    detail: str | None = None


def _check_response(response: bytes) -> None:
    status_line, _, rest = response.partition(b"\r\n")
    version, _, status = status_line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
        raise BadGateway("the response is not HTTP")
    code = int(status[:3])
    if code >= 400:
        try:
            problem = msgspec.json.decode(rest.partition(b"\r\n\r\n")[2], type=_Problem)
        except msgspec.DecodeError:
            problem = _Problem()
        raise error_from(code, problem.detail, problem.title)
