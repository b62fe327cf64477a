"""OpenAPI descriptions of uploads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import contract_of, document_of, operation_of, validate
from unixsvc import UploadFile
from unixsvc.contract.model import Contract
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.route import POST, PUT

_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


async def upload(
    photo: UploadFile,
    title: Annotated[str, Meta(max_length=9)],
    more: Annotated[list[UploadFile] | None, Meta(max_length=3, description="Further ones")] = None,
    count: int = 1,
) -> None:
    """Takes files and text."""


async def optional(photo: UploadFile | None = None) -> None:
    """Takes a file, or none."""


async def stream(body: AsyncIterator[bytes]) -> None:
    """Takes anything."""


ROUTES = [POST("/photos", upload), POST("/optional", optional), PUT("/stream", stream)]


class UploadTests(SynchronousTestCase):
    """Request bodies."""

    def test_form(self) -> None:
        """A form has text and files, of which lists have bounds; it is the only media type."""
        validate(document_of(*ROUTES))
        body = operation_of(ROUTES[0])["requestBody"]
        [(media_type, content)] = body["content"].items()
        self.assertEqual((media_type, body["required"]), ("multipart/form-data", True))
        schema = content["schema"]
        self.assertEqual(schema["required"], ["title", "photo"])
        self.assertEqual(schema["properties"]["photo"], _FILE)
        self.assertEqual(schema["properties"]["title"], {"type": "string", "maxLength": 9})
        more = {"type": "array", "items": _FILE, "maxItems": 3, "description": "Further ones"}
        self.assertEqual(schema["properties"]["more"], more)

    def test_optional(self) -> None:
        """A form without required fields may be left out."""
        body = operation_of(ROUTES[1])["requestBody"]
        self.assertFalse(body["required"])

    def test_stream(self) -> None:
        """A body that is read while it arrives may have any media type."""
        body = operation_of(ROUTES[2])["requestBody"]
        self.assertEqual(list(body["content"]), ["application/octet-stream"])

    def test_no_idempotency_key(self) -> None:
        """Keys are refused for uploads, so none is described."""
        for route in ROUTES:
            self.assertNotIn("x-headers", operation_of(route))

    def test_mounted(self) -> None:
        """A mounted service's uploads cannot be forwarded, so they are not described."""
        document = describe([Contract(routes=[]), contract_of(*ROUTES)], token="off")
        self.assertEqual(document["paths"], {})
