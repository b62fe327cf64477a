"""Accepts, receives, sends a fixed reply and closes: the least that Python can do for one request."""

from __future__ import annotations

import socket
import sys

import uvloop

_REPLY = b'{"id":10,"code":200,"data":{"id":7,"name":"user 7"}}\n'
_BARE_REPLY = b'{"id":7,"name":"user 7"}'


def _serve(path: str) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(1024)

    def accept() -> None:
        connection, _ = listening.accept()
        message = connection.recv(65_536)
        connection.send(_REPLY if message.endswith(b"\n") else _BARE_REPLY)
        connection.close()

    loop = uvloop.new_event_loop()
    loop.add_reader(listening.fileno(), accept)
    loop.run_forever()


if __name__ == "__main__":
    _serve(sys.argv[1])
