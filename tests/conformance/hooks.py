"""What Schemathesis must not take for an error of the demo."""

from __future__ import annotations

from typing import Any

import schemathesis


def filter_query(_context: Any, query: dict[str, Any] | None) -> bool:
    """Send no empty values: those of optional fields count as absent, whatever their types.

    Browsers send them for the fields of a form that are not filled in. The document does not say so:
    ``allowEmptyValue`` would add a checkbox to each optional parameter on the page ``/docs``.
    """
    return "" not in (query or {}).values()


schemathesis.hook(filter_query)  # not as a decorator, which has no type where Schemathesis is not installed
