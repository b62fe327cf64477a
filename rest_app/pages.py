"""The pages of the demo, which are Klein routes."""

from __future__ import annotations

from html import escape
from typing import Final

import svcs
from klein import Klein
from klein.interfaces import IKleinRequest
from twisted.web.http import Request
from werkzeug.routing import Rule

__all__ = ["add_pages"]

_FORM: Final = """\
<!doctype html><title>Form</title>
<form action="{action}" method="post" enctype="multipart/form-data">
<input name="picture" type="file"> <button>Send</button>
</form>
<p>{sent}</p>
"""


def add_pages(klein: Klein, container: svcs.Container) -> None:
    """Add the pages.

    ``/index`` has a link to each route that can be read and has no variables. ``/form`` has a form with a
    file, which an action takes; it leads back here, and the page shows what was sent.
    """

    @klein.route("/index", methods=["GET"])
    def index(request: Request) -> str:
        url_for = IKleinRequest(request).url_for
        rules = {rule.endpoint for rule in klein.url_map.iter_rules() if _is_readable(rule)}
        links = [f'<li><a href="{escape(url_for(name))}">{escape(name)}</a></li>' for name in sorted(rules)]
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return f"<!doctype html><title>Demo</title><ul>{''.join(links)}</ul>"

    @klein.route("/form", methods=["GET"])
    def form(request: Request) -> str:
        sent = [escape(b" ".join(values).decode("utf-8", "replace")) for values in request.args.values()]
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return _FORM.format(action=IKleinRequest(request).url_for("Pictures.add"), sent=", ".join(sent))


def _is_readable(rule: Rule) -> bool:
    """Whether a link can lead to a rule."""
    return not rule.arguments and (rule.methods is None or "GET" in rule.methods)
