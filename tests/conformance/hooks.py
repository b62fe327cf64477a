"""What Schemathesis must not take for an error of the demo, and a record of what it sends."""

from __future__ import annotations

import base64
import os
from typing import Any

import msgspec
import schemathesis

from tests.conformance.both_ways import RecordedRequest


def filter_query(_context: Any, query: dict[str, Any] | None) -> bool:
    """Send no empty values: those of optional fields count as absent, whatever their types.

    Browsers send them for the fields of a form that are not filled in. The document does not say so:
    ``allowEmptyValue`` would add a checkbox to each optional parameter on the page ``/docs``.
    """
    return not any(_may_be_empty(value) for value in (query or {}).values())


def _may_be_empty(value: object) -> bool:
    """Whether a value is written as an empty text; a query has no form for objects."""
    if isinstance(value, list):
        return not value or any(map(_may_be_empty, value))
    return isinstance(value, dict) or value in ("", None)


schemathesis.hook(filter_query)  # not as a decorator, which has no type where Schemathesis is not installed


def after_call(_context: Any, _case: Any, response: Any) -> None:
    """Record a request."""
    sent = response.request
    body = sent.body or b""
    encoded = base64.b64encode(body if isinstance(body, bytes) else body.encode()).decode()
    headers = {
        name: value if isinstance(value, str) else value.decode("latin-1")
        for name, value in sent.headers.items()
    }
    with open(os.environ["RECORDED_REQUESTS"], "ab") as file:
        file.write(msgspec.json.encode(RecordedRequest(sent.method, sent.path_url, headers, encoded)) + b"\n")


schemathesis.hook(after_call)
