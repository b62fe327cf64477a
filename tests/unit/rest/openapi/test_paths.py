"""The paths of OpenAPI documents."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import (
    ROUTES,
    contract_of,
    document_of,
    nothing,
    operations_in,
    show,
    taking,
)  # fmt: skip
from unixsvc.contract.model import Contract
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.route import DELETE, GET


class PathTests(SynchronousTestCase):
    """Paths and their variables."""

    def test_variable_types(self) -> None:
        """Each variable has the schema of its annotation, and the bounds of its type."""
        document = document_of(*ROUTES)
        found = {
            (path, each["name"]): each["schema"]
            for path, method, operation in operations_in(document)
            for each in operation["parameters"]
            if each.get("in") == "path" and method == "GET"
        }
        wide = {"type": "integer", "format": "int64", "minimum": 1 - 10**18, "maximum": 10**18 - 1}
        self.assertEqual(found["/thing/{id}", "id"], wide)
        self.assertEqual(found["/any/{id}", "id"], {"type": "string", "format": "uuid"})
        self.assertEqual(found["/any/{name}/{rest}", "rest"], {"type": "string", "minLength": 1})
        self.assertEqual(found["/refined/{id}/{number}", "id"], {**wide, "minimum": 1})
        self.assertEqual(found["/refined/{id}/{number}", "number"], {"type": "number"})

    def test_one_item(self) -> None:
        """Paths that differ only in the names of their variables share an item with the first one's names."""
        document = document_of(GET("/x/{id:int}", show), DELETE("/x/{name:str}", taking(["{name:str}"])))
        self.assertEqual(list(document["paths"]["/x/{id}"]), ["get", "delete"])
        [name] = [each for each in document["paths"]["/x/{id}"]["delete"]["parameters"] if "name" in each]
        self.assertEqual((name["name"], name["schema"]["type"]), ("id", "string"))

    def test_types_differ(self) -> None:
        """Routes that differ only in the types of their variables are all there."""
        routes = [GET(f"/x/{{id:{kind}}}", taking([f"{{id:{kind}}}"])) for kind in ("int", "uuid", "str")]
        found = [path for path in document_of(*routes)["paths"] if path.startswith("/x")]
        self.assertEqual(found, ["/x/{id}", "/x/{id_uuid}", "/x/{id_str}"])

    def test_escapes(self) -> None:
        """Characters that a URL cannot have are escaped."""
        self.assertIn("/a%20b/%C3%A9/{id}/", document_of(*ROUTES)["paths"])

    def test_reserved(self) -> None:
        """The reserved routes of mounted services are not described."""
        document = describe(
            [Contract(title="Front", routes=[]), contract_of(GET("/x", nothing))], token="off"
        )
        self.assertEqual(list(document["paths"]), ["/x"])

    def test_first_wins(self) -> None:
        """If two contracts have the same route, that of the first is described."""
        document = describe([contract_of(GET("/x", nothing)), contract_of(GET("/x", refined_x))], token="off")
        self.assertIn("204", document["paths"]["/x"]["get"]["responses"])

    def test_another_method(self) -> None:
        """Other methods are described as in OpenAPI 3.2."""
        item = document_of(*ROUTES)["paths"]["/body"]
        self.assertEqual(list(item["x-additionalOperations"]), ["PURGE"])


def refined_x() -> int:
    """Give a number."""
    return 1
