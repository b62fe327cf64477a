"""The part of the application that only HTTP has: Klein routes."""

from __future__ import annotations

from typing import Any

import svcs
from klein import Klein
from msgspec import Struct
from twisted.web.util import redirectTo
from werkzeug.exceptions import Forbidden, MethodNotAllowed
from werkzeug.exceptions import NotFound as NoPage

from tests.differential.app.failures import FAILURES
from tests.differential.app.gates import ALL_GATES, GATES
from tests.differential.app.streams import STREAMS
from tests.differential.app.values import VALUES
from unixsvc import App, Conflict


class Point(Struct):
    """A value that is encoded as JSON."""

    x: int
    y: int = 0


def web(klein: Klein, container: svcs.Container) -> None:
    """Add the routes."""
    _add_pages(klein)
    _add_oddities(klein)


def _add_pages(klein: Klein) -> None:
    @klein.route("/page", methods=["GET"])
    def page(request: Any) -> str:
        return "<h1>A page</h1>"

    @klein.route("/page/bytes")
    def page_bytes(request: Any) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain")
        return b"bytes \xff"

    @klein.route("/page/<int:number>", methods=["GET", "POST"])
    async def numbered(request: Any, number: int) -> Any:
        return {"number": number, "args": {k.decode("latin-1"): len(v) for k, v in request.args.items()}}

    @klein.route("/page/point", methods=["GET"])
    def point(request: Any) -> Any:
        request.setHeader(b"X-Own", b"1")
        return Point(1)

    @klein.route("/page/list", methods=["GET"])
    def listed(request: Any) -> list[Any]:
        request.setResponseCode(202)
        return ["x" * 700, "y" * 700]


def _add_oddities(klein: Klein) -> None:
    @klein.route("/page/go", methods=["GET"])
    def go(request: Any) -> bytes:
        found: bytes = redirectTo(b"/page", request)
        return found

    @klein.route("/page/slash/", methods=["GET"])
    def slash(request: Any) -> str:
        return "slash"

    @klein.route("/page/fail/<kind>", methods=["GET"])
    def fail(request: Any, kind: str) -> str:
        kinds: dict[str, BaseException] = {
            "conflict": Conflict("not so"), "none": NoPage(), "forbidden": Forbidden("not you"),
            "method": MethodNotAllowed(["PUT"]), "exit": SystemExit(1), "value": ValueError("a secret"),
        }  # fmt: skip
        raise kinds.get(kind) or RuntimeError("a secret")

    @klein.route("/page/late/<name>", methods=["GET"])
    async def late(request: Any, name: str) -> str:
        try:
            await ALL_GATES[name].passed()
        except BaseException as error:
            ALL_GATES[name].ended(type(error).__name__)
            raise
        return "late"

    @klein.route("/page/pieces", methods=["GET"])
    def pieces(request: Any) -> Any:
        request.write(b"one ")
        request.write(b"two")
        return b" three"

    @klein.route("/page/under/", branch=True)
    def under(request: Any) -> Any:
        from twisted.web.static import Data

        return Data(b"static data", "text/plain")


app = App([*VALUES, *FAILURES, *GATES, *STREAMS], title="The sample over HTTP", version="7", web=web)
