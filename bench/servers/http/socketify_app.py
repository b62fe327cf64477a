"""An application on socketify, which binds uWebSockets; msgspec checks the body. Argument: port."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from socketify import App, AppListenOptions

from bench.servers import data
from bench.servers.data import NewUser

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode


def show(response: Any, request: Any) -> None:
    """One user."""
    _answer(response, "200 OK", _encode(data.show(int(request.get_parameter(0)))))


def create(response: Any, request: Any) -> None:
    """Create a user."""
    received = bytearray()

    def on_data(response: Any, chunk: bytes | None, is_end: bool) -> None:
        if chunk:
            received.extend(chunk)
        if is_end:
            status, content = _create(received)
            response.cork(lambda corked: _answer(corked, status, content))

    response.on_data(on_data)


def _create(body: bytearray) -> tuple[str, bytes]:
    try:
        new = _decode(body)
    except msgspec.ValidationError as error:
        return "422 Unprocessable Content", _encode({"detail": str(error)})
    return "200 OK", _encode(data.create(new.name, new.age))


def _answer(response: Any, status: str, content: bytes) -> None:
    response.write_status(status)
    response.write_header("Content-Type", "application/json")
    response.end(content)


if __name__ == "__main__":
    app = App()
    app.get("/user/:id", show)
    app.post("/user", create)
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda config: None)
    app.run()
