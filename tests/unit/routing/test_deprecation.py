"""Routes and groups that will be removed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.domain.message import Caller, Request
from unixsvc.errors import ConfigError
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.deprecation import deprecation_gate
from unixsvc.routing.route import GET, Group, Route


def show() -> int:
    """Answer."""
    return 7


class DeprecationTests(SynchronousTestCase):
    def headers(self, *entries: Group | Route) -> list[list[tuple[str, str]]]:
        """The headers that the routes ``/a`` and ``/b`` add."""
        router = Serving(*entries, gates=[deprecation_gate]).router
        found = []
        for path in ("/a", "/b"):
            request = Request("GET", path, caller=Caller(trusted=True))
            router.dispatch(request)
            found.append([*request.reply_headers])
        return found

    def test_route(self) -> None:
        """A day since when a route is deprecated, and the day of its end, are headers of its responses."""
        route = GET("/a", show, deprecated=date(2026, 11, 30), sunset=date(2027, 6, 30))
        expected = [
            ("Deprecation", "@1795996800"),
            ("Sunset", "Wed, 30 Jun 2027 00:00:00 GMT"),
        ]
        self.assertEqual(self.headers(route, GET("/b", show, deprecated=True)), [expected, []])

    def test_times(self) -> None:
        """Times are sent in UTC; one without a time zone is in UTC."""
        end = datetime(2027, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        plain = datetime(2027, 1, 1, 12)
        found = self.headers(GET("/a", show, sunset=end), GET("/b", show, sunset=plain))
        self.assertEqual(
            found,
            [[("Sunset", "Fri, 01 Jan 2027 10:00:00 GMT")], [("Sunset", "Fri, 01 Jan 2027 12:00:00 GMT")]],
        )

    def test_group(self) -> None:
        """The routes of a group have its options, unless they have their own."""
        end = datetime(2028, 1, 1, tzinfo=UTC)
        group = Group(
            "",
            None,
            [GET("/a", show), GET("/b", show, sunset=end, tags=["own"])],
            tags=["old"],
            deprecated=True,
            sunset=date(2027, 1, 1),
        )
        self.assertEqual(
            self.headers(group),
            [[("Sunset", "Fri, 01 Jan 2027 00:00:00 GMT")], [("Sunset", "Sat, 01 Jan 2028 00:00:00 GMT")]],
        )
        routes = Serving(group).router.contract().application_routes
        self.assertEqual(
            [(each.tags, each.deprecated, each.sunset) for each in routes],
            [(["old"], True, "2027-01-01"), (["own"], True, "2028-01-01T00:00:00+00:00")],
        )

    def test_document(self) -> None:
        """OpenAPI says when an operation will be removed."""
        contract = Serving(GET("/a", show, deprecated=True, sunset=date(2027, 1, 1))).router.contract()
        operation = describe([contract], token="off")["paths"]["/a"]["get"]
        self.assertEqual((operation["deprecated"], operation["x-sunset"]), (True, "2027-01-01"))
        self.assertIn("will be removed on 2027-01-01", operation["description"])

    def test_order(self) -> None:
        """A route cannot end before it is deprecated."""
        route = GET("/a", show, deprecated=date(2027, 1, 2), sunset=date(2027, 1, 1))
        with self.assertRaises(ConfigError):
            Serving(route, gates=[deprecation_gate])
