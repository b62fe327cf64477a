"""What all clients send and decode."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import Response
from unixsvc.blocking import Client as BlockingClient
from unixsvc.client.aio.client import Client as AioClient
from unixsvc.client.calls import (
    NO_LIMIT,
    encode_data,
    make_call,
    require_decodable,
    result_of,
    timeout_or_default,
)
from unixsvc.client.events import HeadedData
from unixsvc.client.twisted.client import Client as TwistedClient
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.validation.finite_numbers import NotFinite
from unixsvc.errors import BadGateway

TOKEN = "0" * 64


class HeadTests(SynchronousTestCase):
    """Results as a Response, and results that have a head."""

    def test_response(self) -> None:
        """A Response has the head of the reply; without one, the usual status."""
        headed = HeadedData(Raw(b'"/w=="'), ReplyHead(202, (("X-A", "b"),), "image/png", "base64"))
        expected = Response(b"\xff", 202, (("X-A", "b"),), (), "image/png")
        self.assertEqual(result_of(headed, Response[bytes]), expected)
        self.assertEqual(result_of(Raw(b"7"), Response[int]), Response(7, 200))
        self.assertEqual(result_of(Raw(b"7"), Response), Response(7, 200))

    def test_value(self) -> None:
        """Any other type gives the value alone."""
        headed = HeadedData(Raw(b"7"), ReplyHead(202))
        self.assertEqual((result_of(headed, int), result_of(headed, Any)), (7, 7))

    def test_wrong(self) -> None:
        """The value is checked, and its type before the call."""
        self.assertRaises(BadGateway, result_of, HeadedData(Raw(b"7"), ReplyHead()), Response[str])
        require_decodable(Response[int])
        wrong: Any = Response
        self.assertRaises(TypeError, require_decodable, wrong[7])


class Item(Struct):
    """The data of a call."""

    price: float
    name: str | None = None


class DataTests(SynchronousTestCase):
    """The data of a call."""

    def test_not_finite(self) -> None:
        """Infinity and NaN are an error that names the field."""
        for data, place in (
            ({"price": math.nan}, "price"), ({"a": [{"b": 1.5}, {"b": -math.inf}]}, "a[1].b"),
            (Item(math.inf), "price"), ({"a": None, "b": Decimal("NaN")}, "b"),
        ):  # fmt: skip
            error = self.assertRaises(NotFinite, encode_data, data)
            self.assertIsInstance(error, ValueError)
            self.assertTrue(str(error).startswith(f"{place} is "), error)
            self.assertIn("send None instead", str(error))

    def test_finite(self) -> None:
        """Other data is sent, also if it has null, large numbers, or texts that look like numbers."""
        for data in ({"a": None, "b": 1e308}, {"a": "NaN", "b": "Infinity", "N": 2**70}, Item(1.5)):
            self.assertEqual(bytes(encode_data(data))[:1], b"{")
        self.assertEqual(make_call("get", "").data, Raw(b"{}"))

    def test_line_end(self) -> None:
        """JSON text with line ends becomes one line: a line end would end the message."""
        self.assertEqual(encode_data({"a": Raw(b'{\n"b": 1\n}')}), Raw(b'{"a":{ "b": 1 }}'))

    def test_no_object(self) -> None:
        """Data may be any JSON value, or bytes, which are in base64; it is never empty."""
        for data, expected in (([1], b"[1]"), ("x", b'"x"'), (7, b"7"), (b"NaN", b'"TmFO"')):
            self.assertEqual(bytes(encode_data(data)), expected)
        for wrong in (Raw(b""), object()):
            self.assertRaises(TypeError, encode_data, wrong)
        self.assertRaises(NotFinite, encode_data, math.nan)


class ResultTests(SynchronousTestCase):
    """The result of a call."""

    def test_types(self) -> None:
        """A result is decoded as any type of msgspec, also one that is not hashable."""
        odd = Annotated[int, Meta(ge=1), []]
        for data, kind, expected in (
            (b'{"price": 1.5}', Item, Item(1.5)), (b'[{"price": 1.5}]', list[Item], [Item(1.5)]),
            (b"null", Item | None, None), (b"1", odd, 1), (b'{"a": 1}', Any, {"a": 1}),
        ):  # fmt: skip
            require_decodable(kind)
            self.assertEqual(result_of(Raw(data), kind), expected)
            self.assertRaises(BadGateway, result_of, Raw(b"[}"), kind)


class ClientsTests(SynchronousTestCase):
    """Infinity and NaN in a call of each client, with a socket directory that does not exist."""

    def assert_refused(self, call: Callable[..., Any], *arguments: str, **data: Any) -> None:
        """The call fails at once; it would fail otherwise if it connected."""
        error = self.assertRaises(NotFinite, call, *arguments, **data)
        self.assertIn("price is nan", str(error))

    def test_clients(self) -> None:
        """A call, a stream and a short form fail before a connection is made."""
        options: dict[str, Any] = {"socket_dir": "/nonexistent", "token": TOKEN}
        for client in (
            BlockingClient("shop", **options),
            AioClient("shop", **options),
            TwistedClient("shop", **options, reactor=Clock()),
        ):
            self.assert_refused(client.call, "POST", "/x", data={"price": math.nan})
            self.assert_refused(client.stream, "GET", "/x", data={"price": math.nan})
            self.assert_refused(client.post, "/x", price=math.nan)
        twisted = TwistedClient("shop", **options, reactor=Clock())
        self.assert_refused(twisted.open, "GET", "/x", data=Item(math.nan))

    def test_services(self) -> None:
        """The same holds for a call from an action."""
        services = ServiceClients("/nonexistent", TOKEN, Clock(), Clock().seconds)
        self.assert_refused(services.call, "shop", "POST", "/x", data={"price": math.nan})

    def test_type(self) -> None:
        """A value that is no type is refused before the call."""

        async def call_aio() -> None:
            await AioClient("shop", **options).get("/x", type=value)

        options: dict[str, Any] = {"socket_dir": "/nonexistent", "token": TOKEN}
        value: Any = "pen"
        blocking = BlockingClient("shop", **options)
        twisted = TwistedClient("shop", **options, reactor=Clock())
        for call in (
            lambda: blocking.get("/x", type=value),
            lambda: blocking.call("GET", "/x", type=value),
            lambda: blocking.stream("GET", "/x", type=value),
            lambda: twisted.post("/x", type=value),
            lambda: call_aio().send(None),
        ):
            error = self.assertRaises(TypeError, call)
            self.assertIn("type= must be the type of the result: Type ''pen''", str(error))

    def test_timeout(self) -> None:
        """A timeout that is infinite or NaN is refused, of a client as well."""
        for seconds in (math.inf, math.nan, -math.inf, 0, -1.5, "1"):
            error = self.assertRaises(ValueError, timeout_or_default, seconds, 1.0)
            self.assertIn("must be a finite number of seconds above 0", str(error))
        self.assertRaises(ValueError, BlockingClient, "shop", socket_dir="/x", token=TOKEN, timeout=math.inf)

    def test_long_timeout(self) -> None:
        """A timeout of years is one that every event loop can wait for."""
        self.assertEqual(timeout_or_default(1e300, 1.0), NO_LIMIT)
        self.assertEqual((timeout_or_default(2, 1.0), timeout_or_default(None, 1.0)), (2.0, 1.0))
