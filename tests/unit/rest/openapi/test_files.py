"""Files in OpenAPI."""

from __future__ import annotations

from openapi_spec_validator import OpenAPIV31SpecValidator
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import document_of, operation_of
from unixsvc.domain.file import File
from unixsvc.domain.results.response import Response
from unixsvc.routing.route import GET, HEAD, POST


async def download() -> File:
    """A file."""
    return File("x")


async def wrapped() -> Response[File]:
    """A file with header fields."""
    return Response(File("x"))


class FileTests(SynchronousTestCase):
    def test_responses(self) -> None:
        """A file has the responses of ranges and conditions, and those of HTTP alone."""
        for action in (download, wrapped):
            found = operation_of(GET("/", action, public=True))
            self.assertEqual(
                set(found["responses"]),
                {"200", "206", "304", "400", "404", "412", "416", "421", "500", "503", "504"},
            )
            self.assertIn("Content-Range", found["responses"]["206"]["headers"])
            self.assertIn("ETag", found["responses"]["304"]["headers"])
            self.assertEqual([*found["responses"]["206"]["content"]], ["*/*", "multipart/byteranges"])
            self.assertEqual([each["name"] for each in found["x-headers"]], ["Range"])

    def test_media_types(self) -> None:
        """The media types are those of the route; the schema is that of bytes."""
        found = operation_of(GET("/", download, media_types=["application/pdf"]))
        content = found["responses"]["200"]["content"]
        self.assertEqual(content, {"application/pdf": {"schema": {"type": "string", "format": "binary"}}})

    def test_methods(self) -> None:
        """HEAD has no content; a POST has neither ranges nor an idempotency key."""
        self.assertNotIn("content", operation_of(HEAD("/", download))["responses"]["200"])
        found = operation_of(POST("/", download, public=True))
        self.assertEqual(set(found["responses"]) & {"200", "206", "304", "412", "416"}, {"200"})
        self.assertNotIn("x-headers", found)

    def test_valid(self) -> None:
        """The document is valid."""
        document = document_of(GET("/a", download), HEAD("/b", download), POST("/c", wrapped))
        OpenAPIV31SpecValidator(document).validate()
