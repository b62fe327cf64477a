"""The pages of the demo, which are Klein routes."""

from __future__ import annotations

from html import escape

import svcs
from klein import Klein
from klein.interfaces import IKleinRequest
from twisted.web.http import Request
from werkzeug.routing import Rule

__all__ = ["add_pages"]


def add_pages(klein: Klein, container: svcs.Container) -> None:
    """Add ``/index``, with a link to each route that can be read and has no variables."""

    @klein.route("/index", methods=["GET"])
    def index(request: Request) -> str:
        url_for = IKleinRequest(request).url_for
        rules = {rule.endpoint for rule in klein.url_map.iter_rules() if _is_readable(rule)}
        links = [f'<li><a href="{escape(url_for(name))}">{escape(name)}</a></li>' for name in sorted(rules)]
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return f"<!doctype html><title>Demo</title><ul>{''.join(links)}</ul>"


def _is_readable(rule: Rule) -> bool:
    """Whether a link can lead to a rule."""
    return not rule.arguments and (rule.methods is None or "GET" in rule.methods)
