"""Parameters from the body."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.parameters.asking import Asked, refused
from unixsvc import Body, Check, Form, Header, Query, Request

GOT = ("str", "null")
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


class Item(Struct):
    """A struct."""

    name: Annotated[str, Meta(min_length=1)]
    price: float = 1.0


class User(Struct):
    """Another one."""

    id: int


class Login(Struct):
    """A form."""

    name: str
    age: int = 0
    remember: bool = False


def total(numbers: Annotated[list[int], Body()]) -> int:
    """A body that is an array."""
    return sum(numbers)


def place(
    item: Annotated[Item, Body()], user: User, note: Annotated[str, Body("the-note", description="Any")] = "-"
) -> list[Any]:
    """Parts of a body."""
    return [item.name, user.id, note]


def size(data: bytes) -> int:
    """A raw body."""
    return len(data)


def login(form: Annotated[Login, Form()], page: Annotated[int, Query()] = 0) -> list[Any]:
    """A form."""
    return [form.name, form.age, form.remember, page]


class PartTests(SynchronousTestCase):
    """Several parts of a JSON body."""

    def test_parts(self) -> None:
        """Each parameter is a field of the body, structs too."""
        asked = Asked(place)
        data = {"item": {"name": "Pen"}, "user": {"id": 7}, "the-note": "soon"}
        self.assertEqual((asked.call(data), asked.ask(json=data)), (["Pen", 7, "soon"],) * 2)
        expected = {"item.name": "Expected `str` of length >= 1", "user.id": "is required"}
        wrong = {"item": {"name": ""}, "user": {}}
        self.assertEqual((asked.call(wrong), asked.ask(json=wrong)), (expected,) * 2)

    def test_contract(self) -> None:
        """The data of the contract has the parts, with their descriptions."""
        asked = Asked(place)
        route = asked.contract()
        self.assertIsNone(route["body"])
        self.assertEqual(route["data"], {"$ref": "#/schemas/POST."})

    def test_embed(self) -> None:
        """A single parameter is a field if it is embedded."""

        def action(item: Annotated[Item, Body(embed=True)]) -> str:
            return item.name

        self.assertEqual(Asked(action).ask(json={"item": {"name": "Pen"}}), "Pen")

    def test_whole(self) -> None:
        """A single struct is the whole body, with and without the marker."""

        def action(item: Annotated[Item, Body()]) -> str:
            return item.name

        asked = Asked(action)
        self.assertEqual((asked.ask(json={"name": "Pen"}), asked.ask(data={"name": "Pen"})), ("Pen", "Pen"))

    def test_wrong(self) -> None:
        """Parameters that cannot share the body are an error at start."""

        def two(a: Item, b: User) -> None: ...
        def beside(a: Item, b: int) -> None: ...
        def both(a: Annotated[Login, Form()], b: Annotated[int, Body()]) -> None: ...
        def forms(a: Annotated[Login, Form()], b: Annotated[int, Form()]) -> None: ...

        for action, problem in (
            (two, "would have the same value; put all fields into one struct, or mark both with Body()"),
            (beside, "leaves none for 'b'; put all fields into one struct, or mark both with Body()"),
            (both, "'a' takes the body as a form, which leaves none for 'b'"),
            (forms, "'a' takes the whole form, which leaves none for 'b'"),
        ):
            self.assertIn(problem, refused(action))
        for body in (total, size, login):
            self.assertIn(", and GET has none", refused(body, "GET"))


class AnyJsonTests(SynchronousTestCase):
    """Bodies that are JSON, and no objects."""

    def test_array(self) -> None:
        """An array is the body, or the data of a message."""
        asked = Asked(total)
        self.assertEqual((asked.call([1, 2]), asked.ask(json=[1, 2])), (3, 3))
        for wrong, expected in (
            ([1, "a"], {"body[1]": "Expected `int`, got `str`"}),
            (["a", None], {f"body[{at}]": f"Expected `int`, got `{got}`" for at, got in enumerate(GOT)}),
            (5, {"body": "Expected `array`, got `int`"}),
            ({"a": 1}, {"body": "Expected `array`, got `object`"}),
            ({}, {"body": "is required"}),
        ):  # fmt: skip
            self.assertEqual((asked.call(wrong), asked.ask(json=wrong)), (expected, expected), wrong)
        self.assertEqual(asked.ask(), {"body": "is required"})

    def test_scalars(self) -> None:
        """Any JSON value can be a body."""

        def echo(value: Annotated[int | str | bool | float | None, Body()] = "none") -> Any:
            return value

        asked = Asked(echo)
        for value in (7, "a", True, 1.5, Raw(b"null"), "", 0):
            expected = None if isinstance(value, Raw) else value
            self.assertEqual((asked.call(value), asked.ask(json=value)), (expected, expected))
        self.assertEqual((asked.call(), asked.ask()), ("none", "none"))

    def test_objects(self) -> None:
        """An object without known fields is a body, also an empty one."""

        def action(counts: Annotated[dict[str, int], Body()], page: Annotated[int, Query()] = 0) -> list[Any]:
            return [counts, page]

        asked = Asked(action)
        for value in ({"a": 1}, {}):
            self.assertEqual(asked.ask("?page=2", json=value), [value, 2])
            self.assertEqual(asked.call(value, "?page=2"), [value, 2])
        self.assertEqual(asked.ask(), {"body": "is required"})

    def test_checks(self) -> None:
        """Checks run, and numbers that JSON has not are refused."""

        def action(value: Annotated[list[int], Check(len, message="is empty"), Body()]) -> int:
            return len(value)

        asked = Asked(action)
        self.assertEqual((asked.call([1]), asked.call([])), (1, {"body": "is empty"}))

    def test_media_types(self) -> None:
        """Only JSON is accepted."""
        asked = Asked(total)
        self.assertEqual(asked.ask(data={"a": "1"}), 415)
        for media_type, expected in (("application/problem+json", 3), ("text/plain", 415), ("", 415)):
            self.assertEqual(asked.ask(content=b"[1,2]", headers={"Content-Type": media_type}), expected)
        self.assertEqual(asked.ask(content=b"[1,2", headers={"Content-Type": "application/json"}), 400)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        self.assertEqual(asked.ask(content=b"[1,2]", headers=headers), 415)

    def test_other_methods(self) -> None:
        """A method that the path does not have is 405, whatever the body is."""
        asked = Asked(total)
        for options in ({"json": [1]}, {"content": b"x"}):
            response = asked.other("PUT", **options)
            self.assertEqual(response.status_code, 405)

    def test_line_ends(self) -> None:
        """Line ends in the body are spaces, as a line end would end a message."""
        self.assertEqual(
            Asked(total).ask(content=b" [1,\r\n2]\n", headers={"Content-Type": "application/json"}), 3
        )

    def test_others(self) -> None:
        """Routes that take an object refuse other data as before."""

        def plain(a: int = 0) -> int:
            return a

        asked = Asked(plain)
        detail = [{"field": "data", "message": "Expected `object`"}]
        found: list[Any] = []
        asked.service.call("POST", "/", [1]).addBoth(found.append)
        self.assertEqual((found[0].value.code, found[0].value.detail), (400, detail))
        response = asked.request(json=[1])
        self.assertEqual((response.status_code, response.json()["errors"]), (400, detail))

    def test_contract(self) -> None:
        """The contract has the schema of the body as the data, and its media types."""
        route = Asked(total).contract()
        self.assertEqual(route["data"], {"type": "array", "items": {"type": "integer"}})
        expected = {"kind": "any_json", "media_types": ["application/json"], "required": True}
        self.assertEqual(route["body"], expected)


class RawTests(SynchronousTestCase):
    """Bodies as bytes."""

    def test_bytes(self) -> None:
        """The body has any media type and any bytes; over a socket it is in base64."""
        asked = Asked(size)
        for media_type in ("image/png", "application/json", "multipart/form-data", ""):
            headers = {"Content-Type": media_type}
            self.assertEqual(asked.ask(content=b"\x00\xff\n{", headers=headers), 4)
        self.assertEqual(asked.call(b"\x00\xff\n{"), 4)
        self.assertEqual((asked.ask(), asked.call()), (0, 0))

    def test_problems(self) -> None:
        """Lengths are checked; text that is no base64 is refused."""

        def action(data: Annotated[bytes, Meta(max_length=3), Body()]) -> int:
            return len(data)

        asked = Asked(action)
        problem = {"body": "Expected `bytes` of length <= 3"}
        self.assertEqual((asked.ask(content=b"abcd"), asked.call(b"abcd")), (problem, problem))
        self.assertEqual(asked.call("!"), {"body": "Invalid base64 encoded string"})
        self.assertEqual(asked.call([1]), {"body": "Expected `bytes`, got `array`"})
        self.assertEqual(asked.ask(content=b"a", headers={"Content-Encoding": "gzip"}), 415)

    def test_default(self) -> None:
        """An empty body is the default, if there is one."""

        def action(data: bytes | None = None, x_a: Annotated[str, Header()] = "") -> list[Any]:
            return [None if data is None else base64.b64encode(data).decode(), x_a]

        def whole(data: Annotated[bytes, Body()] = b"none") -> str:
            return data.decode()

        self.assertEqual(Asked(action).ask(json={"data": "YQ=="}, headers={"x-a": "b"}), ["YQ==", "b"])
        asked = Asked(whole)
        self.assertEqual((asked.ask(), asked.call(), asked.ask(content=b"a")), ("none", "none", "a"))

    def test_beside_others(self) -> None:
        """Beside other fields of the data, bytes are a field in base64."""

        def action(name: str, data: bytes) -> list[Any]:
            return [name, len(data)]

        self.assertEqual(Asked(action).ask(json={"name": "a", "data": "YWJj"}), ["a", 3])

    def test_contract(self) -> None:
        """The contract has any media type; the data is in base64."""
        route = Asked(size).contract()
        self.assertEqual(route["data"], {"type": "string", "contentEncoding": "base64"})
        self.assertEqual(route["body"], {"kind": "raw", "media_types": [], "required": False})

    def test_idempotency_key(self) -> None:
        """Another body with the same idempotency key is another request, which is refused."""
        asked = Asked(size)
        headers = {"Idempotency-Key": "k"}
        self.assertEqual(asked.ask(content=b"abc", headers=headers), 3)
        self.assertEqual(asked.ask(content=b"abc", headers=headers), 3)
        self.assertIn("meta.idempotency_key", asked.ask(content=b"abcd", headers=headers))


class FormTests(SynchronousTestCase):
    """Bodies that are forms."""

    def test_form(self) -> None:
        """A form fills a struct, converted from text; over a socket the data does."""
        asked = Asked(login)
        fields = {"name": "Ada", "age": "36", "remember": "on"}
        self.assertEqual(asked.ask("?page=2", data=fields), ["Ada", 36, True, 2])
        self.assertEqual(asked.call({"name": "Ada", "age": 36}, "?page=2"), ["Ada", 36, False, 2])
        body = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nA&d=a%\r\n--b--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        self.assertEqual(asked.ask("?page=2", content=body, headers=headers), ["A&d=a%", 0, False, 2])

    def test_fields(self) -> None:
        """Parameters can be the fields of a form."""

        def action(name: Annotated[str, Form()], tags: Annotated[list[int], Form("tag")] = []) -> list[Any]:
            return [name, tags]

        asked = Asked(action)
        self.assertEqual(asked.ask(content=b"name=a&tag=1&tag=2", headers=URLENCODED), ["a", [1, 2]])
        self.assertEqual(
            asked.ask(data={"tag": "x"}), {"name": "is required", "tag[0]": "Expected `int`, got `str`"}
        )

    def test_not_in_url(self) -> None:
        """Over HTTP, a form is never read from the URL, which logs keep; other bodies are refused."""
        asked = Asked(login)
        self.assertEqual(asked.ask("?name=Ada"), {"name": "is required"})
        self.assertEqual(asked.ask(json={"name": "Ada"}), 415)
        self.assertEqual(asked.ask(data={"name": "%"}), ["%", 0, False, 0])

    def test_request(self) -> None:
        """The query of the request is that of the URL."""

        def action(name: Annotated[str, Form()], request: Request) -> list[Any]:
            return [name, request.query]

        self.assertEqual(Asked(action).ask("?a=1", data={"name": "b"}), ["b", "a=1"])

    def test_contract(self) -> None:
        """The contract has the media types of forms, and the schema of the data for sockets."""
        route = Asked(login).contract()
        self.assertEqual(route["data"], {"$ref": "#/schemas/Login"})
        self.assertEqual(
            route["body"]["media_types"], ["application/x-www-form-urlencoded", "multipart/form-data"]
        )
