"""Tests of routes that take files, or a body while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated, Any, NewType

from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.actions import New
from tests.unit.routing.serving import Serving
from unixsvc import App, Form, Query, UploadFile
from unixsvc.errors import ConfigError
from unixsvc.routing.route import GET, POST
from unixsvc.testing import MemoryHttp, MemoryService

_Photo = NewType("_Photo", UploadFile)


class Album(Struct):
    """The text of a form."""

    title: str
    count: int = 1


def names(*files: UploadFile | None) -> list[str | None]:
    """The names of files."""
    return [None if each is None else each.filename for each in files]


async def one(photo: UploadFile) -> list[str | None]:
    """One file."""
    return names(photo)


async def optional(photo: UploadFile | None) -> list[str | None]:
    """At most one file; there is no default."""
    return names(photo)


async def many(photos: list[UploadFile]) -> list[str | None]:
    """One or more files."""
    return names(*photos)


async def any_number(photos: list[UploadFile] | None = None) -> list[str | None]:
    """Any number of files."""
    return names(*(photos or []))


async def bounded(photos: Annotated[list[UploadFile], Meta(min_length=2, max_length=3)]) -> list[str | None]:
    """Two or three."""
    return names(*photos)


async def named(photo: Annotated[_Photo, Meta(description="A photo")]) -> list[str | None]:
    """A file whose type has another name."""
    return names(photo)


async def with_path(id: int, photo: UploadFile, count: int = 1) -> list[Any]:
    """A file beside a path variable and text."""
    return [id, count, photo.filename]


async def with_form(
    photo: UploadFile, new: Annotated[Album, Form()], page: Annotated[int, Query()] = 1
) -> list[Any]:
    """A file beside the text of the form as a struct, and the query."""
    return [photo.filename, new.title, new.count, page]


def blocking(photo: UploadFile) -> str:
    """Reads in a thread."""
    return photo.file.read().decode()


async def later(body: AsyncIterator[bytes]) -> AsyncIterator[int]:
    """Answers while it reads."""
    async for chunk in body:
        yield len(chunk)


app = App(
    [
        POST("/one", one),
        POST("/optional", optional),
        POST("/many", many),
        POST("/any", any_number),
        POST("/bounded", bounded),
        POST("/named", named),
        POST("/items/{id:int}", with_path),
        POST("/form", with_form),
        POST("/blocking", blocking, blocking=True),
        POST("/later", later),
        POST("/short", one, max_body=300),
    ]
)


class FilesTests(SynchronousTestCase):
    """Files as parameters."""

    def send(self, path: str, *count: str, **fields: str) -> Any:
        """Send that many files, and text; returns the result or the errors."""
        http = MemoryHttp(app)
        self.addCleanup(http.close)
        files: Any = (
            {"photo": (count[0], b"x")} if count and path not in ("/many", "/any", "/bounded") else {}
        )
        files = files or {"photos": [(each, b"x") for each in count]}
        response = self.successResultOf(http.post(path, data=fields, files=files))
        found = response.json()
        return found if response.status_code == 200 else found["errors"]

    def test_one(self) -> None:
        """A parameter is one file, which is required."""
        self.assertEqual(self.send("/one", "a"), ["a"])
        self.assertEqual(self.send("/one"), [{"field": "photo", "message": "is required"}])
        self.assertEqual(self.send("/named", "a"), ["a"])

    def test_optional(self) -> None:
        """An optional file may be left out."""
        self.assertEqual(self.send("/optional", "a"), ["a"])
        self.assertEqual(self.send("/optional"), [None])

    def test_many(self) -> None:
        """A list is one or more, or any number if there is a default, or as ``Meta`` says."""
        self.assertEqual(self.send("/many", "a", "b"), ["a", "b"])
        self.assertEqual(self.send("/many"), [{"field": "photos", "message": "is required"}])
        self.assertEqual(self.send("/any"), [])
        self.assertEqual(self.send("/bounded", "a", "b", "c"), ["a", "b", "c"])
        few, more = self.send("/bounded", "a"), self.send("/bounded", *"abcd")
        self.assertEqual(few, [{"field": "photos", "message": "has fewer than 2 files"}])
        self.assertEqual(more, [{"field": "photos", "message": "has more than 3 files"}])

    def test_beside_others(self) -> None:
        """Path variables and text are there as well, and all errors are reported together."""
        self.assertEqual(self.send("/items/7", "a", count="3"), [7, 3, "a"])
        found = self.send("/items/7", count="x")
        self.assertEqual([each["field"] for each in found], ["count", "photo"])

    def test_beside_form_and_query(self) -> None:
        """The text of the form may be a struct, and the query of the URL is something else."""
        self.assertEqual(self.send("/form?page=5&count=9", "a", title="t", count="3"), ["a", "t", 3, 5])

    def test_blocking(self) -> None:
        """A blocking action reads a file object."""
        self.assertEqual(self.send("/blocking", "a"), "x")

    def test_max_body(self) -> None:
        """``max_body`` limits a form that comes with its head, too."""
        http = MemoryHttp(app)
        self.addCleanup(http.close)
        response = self.successResultOf(http.post("/short", files={"photo": ("a", b"x" * 300)}))
        self.assertEqual((response.status_code, response.json()["max_body"]), (413, 300))

    def test_idempotency_key(self) -> None:
        """A key is refused, as the data that it belongs to have not arrived."""
        http = MemoryHttp(app)
        self.addCleanup(http.close)
        headers = {"Idempotency-Key": "a"}
        for path in ("/one", "/later"):
            response = self.successResultOf(http.post(path, headers=headers, files={"photo": ("a", b"x")}))
            self.assertEqual(response.status_code, 422)
            self.assertIn("cannot be used for an upload", response.text)

    def test_answer_while_reading(self) -> None:
        """An action may answer with a stream while it reads the body."""
        http = MemoryHttp(app)
        self.addCleanup(http.close)
        response = self.successResultOf(http.post("/later", content=b"abc"))
        self.assertEqual(response.items(), [3])


class SocketTests(SynchronousTestCase):
    """The same routes over a socket."""

    def test_refused(self) -> None:
        """They exist over HTTP only, and say so."""
        service = MemoryService(app)
        self.addCleanup(service.close)
        for path in ("/one", "/later"):
            failure = self.failureResultOf(service.post(path))
            self.assertIn("the route exists over HTTP only", str(failure.value))

    def test_contract(self) -> None:
        """The contract says so, and has the schemas of the files."""
        [route] = [each for each in Serving(*app.routes).router.contract().routes if each.path == "/bounded"]
        [parameter] = route.parameters
        self.assertTrue(route.http_only)
        self.assertEqual((parameter.name, parameter.place, parameter.required), ("photos", "form", True))
        self.assertEqual((parameter.schema["minItems"], parameter.schema["maxItems"]), (2, 3))
        binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
        self.assertEqual(parameter.schema["items"], binary)


async def nested(photos: dict[str, UploadFile]) -> None:
    """Files in a dict."""


async def ambiguous(photo: UploadFile | str) -> None:
    """A file, or text."""


async def lists(photos: list[list[UploadFile]]) -> None:
    """A list of lists."""


async def both(photo: UploadFile, body: AsyncIterator[bytes]) -> None:
    """Two forms of the body."""


async def text(body: AsyncIterator[str]) -> None:
    """A stream of text."""


async def generator(body: AsyncGenerator[bytes, None]) -> None:
    """A generator."""


async def struct(photo: UploadFile, new: New) -> None:
    """A file, and a struct that is not marked as the text of the form."""


class WrongRoutesTests(SynchronousTestCase):
    """Routes that can never work."""

    def test_types(self) -> None:
        """A type that no field of a form has is named at the start."""
        wrong: list[tuple[Callable[..., Any], str]] = [
            (nested, "'photos' is of a type that no field of a form has"),
            (ambiguous, "'photo' is of a type that no field of a form has"),
            (lists, "'photos' is of a type that no field of a form has"),
            (text, "'body' is a stream of other than bytes"),
            (generator, "'body' is a stream of other than bytes"),
            (struct, "the parameters 'new' and 'photo' take the body in two forms"),
            (both, "the parameters 'photo' and 'body' take the body in two forms"),
        ]
        for action, message in wrong:
            error = self.assertRaises(ConfigError, Serving, POST("/a", action))
            self.assertIn(message, str(error))

    def test_get(self) -> None:
        """GET has no body."""
        error = self.assertRaises(ConfigError, Serving, GET("/a", one))
        self.assertIn("'photo' is in the body of a request, and GET has none", str(error))
