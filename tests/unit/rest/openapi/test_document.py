"""OpenAPI documents of services."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import tests.functional.apps.call_log
import tests.functional.apps.codes
import tests.functional.apps.counting
import tests.functional.apps.streaming
import unix_app.home
from tests.unit.rest.openapi.openapi_helpers import (
    ROUTES,
    contract_of,
    create,
    document_of,
    nothing,
    operation_of,
    operations_in,
    show,
    taking,
    validate,
)  # fmt: skip
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.errors import ConfigError
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.pattern import PATH_TYPES
from unixsvc.routing.route import DELETE, GET, PATCH, POST, PUT, Route

_VERBS = [GET, POST, PUT, PATCH, DELETE]
_SEGMENTS = st.one_of(
    st.sampled_from(["a", "b", "a_b", "a-b", "", "é", "a b", "by_x"]),
    st.builds("{{{}:{}}}".format, st.sampled_from("xyz"), st.sampled_from(sorted(PATH_TYPES))),
)
_ROUTES = st.tuples(st.sampled_from(_VERBS), st.lists(_SEGMENTS, min_size=1, max_size=4))


class DocumentTests(SynchronousTestCase):
    """Whole documents."""

    def test_valid(self) -> None:
        """The document of an application with everything is valid, and so are others."""
        validate(document_of(*ROUTES))
        for app in (
            unix_app.home.app, tests.functional.apps.codes.app, tests.functional.apps.counting.app,
            tests.functional.apps.call_log.app, tests.functional.apps.streaming.app,
        ):  # fmt: skip
            for policy in ("private", "required", "off"):
                validate(document_of(*app.routes, policy=policy))
        validate(describe([], token="off"))

    def test_routes(self) -> None:
        """It has each route of the contract, with its method, and no other."""
        contract = contract_of(*ROUTES)
        wanted = {(each.method, each.path) for each in contract.routes}
        found = set()
        for path, method, _ in operations_in(describe([contract], token="off")):
            found.add((method, path.replace("%20", " ").replace("%C3%A9", "é")))
        self.assertEqual(found, {(method, re.sub(r":\w+\}", "}", path)) for method, path in wanted})
        self.assertEqual(len(found), len(contract.routes))

    def test_servers(self) -> None:
        """The base of the paths is the folder of the document, whatever prefix it is below."""
        [server] = document_of(*ROUTES)["servers"]
        for document, expected in (
            ("http://h:1/openapi.json", "http://h:1/user"), ("https://h/api/openapi.json", "https://h/api/user"),
        ):  # fmt: skip
            self.assertEqual(urljoin(document, server["url"]).rstrip("/") + "/user", expected)

    def test_unavailable(self) -> None:
        """A mount whose service is not available is mentioned; the rest is complete."""
        document = describe([contract_of(*ROUTES), UnavailableContract("/users")], token="private")
        validate(document)
        self.assertEqual(document["paths"], document_of(*ROUTES)["paths"])
        self.assertIn("below `/users` are not known now", document["info"]["description"])

    def test_stable(self) -> None:
        """The same contracts give the same bytes, from this process or over a socket."""
        contract = contract_of(*ROUTES)
        first = msgspec.json.encode(describe([contract, contract_of(POST("/x", create))], token="private"))
        sent = [msgspec.json.decode(msgspec.json.encode(contract_of(*ROUTES)), type=Contract)]
        sent.append(contract_of(POST("/x", create)))
        self.assertEqual(msgspec.json.encode(describe(sent, token="private")), first)

    def test_operation_ids(self) -> None:
        """Operation ids are unique, also for paths that differ only in other characters."""
        routes = [GET(path, nothing) for path in ("/a/b", "/a-b", "/a_b", "/a/b/", "/a.b")]
        names = [each["operationId"] for *_, each in operations_in(document_of(*routes))]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual(names[:3], ["get_a_b", "get_a_b_2", "get_a_b_3"])
        self.assertEqual(operation_of(GET("/thing/{id:int}", show))["operationId"], "get_thing_by_id")

    def test_info(self) -> None:
        """Title and version are those of the first contract, unless given; they are never empty.

        They are those of the only mount if the service has no title.
        """
        info = describe([contract_of(), Contract(title="Other", version="2", routes=[])], token="off")["info"]
        self.assertEqual((info["title"], info["version"]), ("Shop", "1.0"))
        info = describe([Contract(routes=[]), contract_of()], token="off")["info"]
        self.assertEqual((info["title"], info["version"]), ("Shop", "1.0"))
        for other in Contract(title="Other", routes=[]), UnavailableContract("/others"):
            info = describe([Contract(routes=[]), contract_of(), other], token="off")["info"]
            self.assertEqual((info["title"], info["version"]), ("API", "0"))
        info = describe([contract_of()], token="off", title="T", version="3", description="D")["info"]
        self.assertEqual(info, {"title": "T", "version": "3", "description": "D"})
        info = describe([], token="off")["info"]
        self.assertEqual((info["title"], info["version"]), ("API", "0"))

    def test_tags(self) -> None:
        """An operation has its route's tags, or its path's first segment; all tags are listed."""
        document = document_of(
            GET("/b/{id:int}", show), GET("/a", nothing, tags=["x", "b"]), GET("/", nothing)
        )
        found = {path: each["tags"] for path, _, each in operations_in(document) if path[:3] != "/-/"}
        self.assertEqual(found, {"/b/{id}": ["b"], "/a": ["x", "b"], "/": ["Shop"]})
        self.assertEqual([each["name"] for each in document["tags"]], ["b", "x", "Shop", "-"])

    def test_texts(self) -> None:
        """Title, description and deprecation are those of the route."""
        found = operation_of(GET("/", nothing, title="T", description="D", deprecated=True))
        self.assertEqual((found["summary"], found["description"], found["deprecated"]), ("T", "D", True))
        self.assertNotIn("deprecated", operation_of(GET("/", nothing)))

    @settings(max_examples=25, deadline=None, database=None)
    @given(
        st.lists(st.tuples(st.sampled_from(_VERBS), st.lists(_SEGMENTS, min_size=1, max_size=4)), max_size=8)
    )
    def test_tables(self, drawn: Sequence[tuple[Any, list[str]]]) -> None:
        """Any route table has a valid document, with an operation for each route."""
        routes: list[Route] = []
        for verb, segments in drawn:
            route = verb("/" + "/".join(segments), taking(segments))
            try:
                contract_of(*routes, route)
            except ConfigError:
                continue
            routes.append(route)
        contract = contract_of(*routes)
        document = describe([contract], token="private")
        validate(document)
        self.assertEqual(len(list(operations_in(document))), len(contract.routes))
