from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, Field
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc import GET, WEBSOCKET, Check, Invalid, WebSocket
from unixsvc.contract.model import MessageContract
from unixsvc.domain.message import Caller, Request
from unixsvc.errors import ConfigError, UpgradeRequired
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.websocket.codec import codec_for


class Line(Struct):
    """A message."""

    text: str


class Model(BaseModel):
    """A message as a model of Pydantic."""

    text: str = Field(max_length=3)


async def chat(room: str, socket: WebSocket[Line, list[Line]], mark: str = "") -> None:
    """Talk in a room."""


async def raw(socket: WebSocket[str | bytes, bytes]) -> None:
    """Receives anything."""


def at_once(socket: WebSocket[str, str]) -> None:
    """Cannot wait for messages."""


async def no_socket(room: str) -> None:
    """Has no WebSocket."""


async def no_types(socket: WebSocket) -> None:  # type: ignore[type-arg]  # this is the fault
    """Does not say what it receives."""


async def no_json(socket: WebSocket[object, type[int]]) -> None:
    """Sends what cannot be JSON."""


async def result(socket: WebSocket[str, str]) -> str:
    """Returns something."""
    return ""


async def stream(socket: WebSocket[str, str]) -> AsyncIterator[str]:
    """Is a stream."""
    yield ""


class RouteTests(SynchronousTestCase):
    def assert_wrong(self, words: str, route: Any) -> None:
        """A route is refused when the table is built."""
        with self.assertRaises(ConfigError) as caught:
            Serving(route)
        self.assertIn(words, str(caught.exception))

    def test_faults(self) -> None:
        """A WebSocket that can never work is refused, and the message names the route."""
        self.assert_wrong("WEBSOCKET /{room}: the route has no parameter", WEBSOCKET("/{room}", no_socket))
        self.assert_wrong("'socket' has no types of messages", WEBSOCKET("/x", no_types))
        self.assert_wrong("the method is not WEBSOCKET", GET("/x", raw))
        self.assert_wrong("cannot be JSON", WEBSOCKET("/x", no_json))
        self.assert_wrong("returns None", WEBSOCKET("/x", result))
        self.assert_wrong("returns None", WEBSOCKET("/x", stream))
        self.assert_wrong("the action is a plain def, which cannot await", WEBSOCKET("/x", at_once))
        self.assert_wrong("blocking or shielded", WEBSOCKET("/x", raw, shield=True))

    def test_over_a_socket(self) -> None:
        """A request that has no WebSocket is 426."""
        serving = Serving(WEBSOCKET("/chat/{room}", chat))
        with self.assertRaises(UpgradeRequired):
            serving.router.dispatch(Request("WEBSOCKET", "/chat/a", caller=Caller(trusted=True)))


class ContractTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Describe two routes."""
        self.contract = Serving(
            WEBSOCKET("/chat/{room}", chat), WEBSOCKET("/raw", raw, public=True), GET("/raw", _plain)
        ).router.contract()

    def test_messages(self) -> None:
        """The contract has the messages of both directions; it can be opened over a socket as well."""
        first, second = self.contract.routes[:2]
        line = {"$ref": "#/schemas/Line"}
        assert first.websocket is not None
        assert second.websocket is not None
        self.assertEqual(first.websocket.receives.kinds, ["json"])
        self.assertTrue(str(first.websocket.receives.schema).endswith("Line'}"), line)
        self.assertEqual(first.websocket.sends.schema["type"], "array")
        self.assertEqual(second.websocket.receives, MessageContract(kinds=["text", "binary"]))
        self.assertEqual(second.websocket.sends, MessageContract(kinds=["binary"]))
        self.assertFalse(first.http_only)
        self.assertFalse(self.contract.routes[2].http_only)

    def test_openapi(self) -> None:
        """The document has an extension for it, beside the operations of the same path."""
        paths = describe([self.contract], token="private")["paths"]
        socket = paths["/chat/{room}"]["x-websocket"]
        self.assertEqual(socket["send"]["schema"], {"$ref": "#/components/schemas/Line"})
        self.assertEqual(socket["summary" if "summary" in socket else "description"], "Talk in a room.")
        self.assertEqual([each["name"] for each in socket["parameters"] if "name" in each], ["room", "mark"])
        self.assertEqual(socket["security"], [{"bearer": []}])
        self.assertIn("101", socket["responses"])
        self.assertNotIn("204", socket["responses"])
        self.assertEqual(paths["/raw"].keys(), {"x-websocket", "get"})


async def _plain() -> str:
    return ""


def _is_short(text: str) -> bool:
    return len(text) < 4


class CodecTests(SynchronousTestCase):
    def assert_invalid(self, type_form: Any, message: str, field: str) -> None:
        """A message is not valid; the error names the field."""
        with self.assertRaises(Invalid) as caught:
            codec_for(type_form, str).decode(message)
        self.assertEqual(caught.exception.detail[0]["field"], field)

    def test_values(self) -> None:
        """Messages become values of the type, also of models, and back."""
        for type_form, value in ((Line, Line("a")), (Model, Model(text="a"))):
            codec = codec_for(type_form, type_form)
            self.assertEqual(codec.decode('{"text": "a"}'), value)
            self.assertEqual(codec.encode(value), b'{"text":"a"}')

    def test_invalid(self) -> None:
        """What does not fit the type, the model or a check is Invalid, as is a message that is not JSON."""
        self.assert_invalid(Line, "{}", "text")
        self.assert_invalid(Line, "[", "")
        self.assert_invalid(Model, '{"text": "abcd"}', "text")
        self.assert_invalid(list[Annotated[str, Check(_is_short, message="is long")]], '["a", "abcd"]', "[1]")
        self.assert_invalid(dict[str, float], '{"a": 1e999}', "a")
        self.assert_invalid(Line, '{"text": "\\ud800"}', "")
