"""What Schemathesis must not take for an error of the demo, and a record of what it sends."""

from __future__ import annotations

import base64
import os
import re
from typing import Any, Final

import msgspec
import schemathesis

from tests.conformance.both_ways import RecordedRequest

_TIMEOUT_HEADER: Final = "x-request-timeout"
_SECONDS: Final = re.compile(r"\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*")
_DOCUMENTED: Final = re.compile(r"(0\.[5-9]|[1-9][0-9]{0,4}(\.[0-9])?)")


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


def filter_headers(_context: Any, headers: dict[str, Any] | None) -> bool:
    """Send no time-outs that the gateway accepts although the document does not have them.

    It accepts any number above 0; the document has those with which a request succeeds on a slow machine.
    """
    value = next((value for name, value in (headers or {}).items() if name.lower() == _TIMEOUT_HEADER), "")
    return not _SECONDS.fullmatch(str(value)) or _DOCUMENTED.fullmatch(str(value)) is not None


schemathesis.hook(filter_query)  # not as a decorator, which has no type where Schemathesis is not installed
schemathesis.hook(filter_headers)


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
