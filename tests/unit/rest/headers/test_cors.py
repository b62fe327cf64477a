from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness
from unixsvc.config.http import Cors, Http
from unixsvc.rest.headers.cors import CorsRules
from unixsvc.routing.route import GET, POST

OURS = b"https://shop.test"


def hello() -> str:
    """An action."""
    return "hello"


def harness(**cors: Any) -> GatewayHarness:
    """A gateway with these CORS rules."""
    http = Http(docs=False, cors=Cors(**cors))
    return GatewayHarness(GET("/hello", hello, public=True), POST("/hello", hello), http=http)


def preflight(there: GatewayHarness, origin: str) -> Any:
    """The headers of the response to a preflight request from an origin."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return there.request("OPTIONS", "/hello", headers=headers)


class RulesTests(SynchronousTestCase):
    def test_no_origins(self) -> None:
        """Without origins there are no CORS headers, and no preflight requests."""
        rules = CorsRules(Cors())
        self.assertEqual(rules.simple({b"Origin": [OURS]}), b"")
        self.assertFalse(rules.is_preflight({b"Origin": [OURS], b"Access-Control-Request-Method": [b"GET"]}))
        self.assertFalse(rules.vary)

    def test_listed(self) -> None:
        """A listed origin is returned; another one is not, nor one with the same prefix."""
        rules = CorsRules(Cors(origins=(OURS.decode(),)))
        self.assertIn(b"Access-Control-Allow-Origin: %b\r\n" % OURS, rules.simple({b"Origin": [OURS]}))
        for other in (b"https://evil.test", OURS + b".evil.test", b"null", b""):
            self.assertEqual(rules.simple({b"Origin": [other]}), b"")
            self.assertEqual(rules.preflight({b"Origin": [other]}), b"")
        self.assertTrue(rules.vary)

    def test_all(self) -> None:
        """The wildcard is returned for all origins, and never with credentials."""
        rules = CorsRules(Cors(origins=("*",), credentials=True))
        found = rules.simple({b"Origin": [OURS]})
        self.assertIn(b"Access-Control-Allow-Origin: *\r\n", found)
        self.assertNotIn(b"Access-Control-Allow-Credentials", found)
        self.assertFalse(rules.vary)

    def test_credentials(self) -> None:
        """Credentials are allowed for listed origins, in both kinds of responses."""
        rules = CorsRules(Cors(origins=(OURS.decode(),), credentials=True))
        calls = {b"Origin": [OURS]}
        for found in (rules.simple(calls), rules.preflight(calls)):
            self.assertIn(b"Access-Control-Allow-Credentials: true\r\n", found)


class AnswersTests(SynchronousTestCase):
    def test_preflight(self) -> None:
        """A preflight request needs no token and calls no action."""
        there = harness(
            origins=(OURS.decode(),),
            methods=("GET", "POST"),
            headers=("X-A", "X-B"),
            max_age=7,
            expose=("ETag",),
        )
        found = preflight(there, OURS.decode())
        self.assertEqual((found.code, found.body), (204, b""))
        self.assertEqual(found.header("Access-Control-Allow-Origin"), OURS.decode())
        self.assertEqual(found.header("Access-Control-Allow-Methods"), "GET, POST")
        self.assertEqual(found.header("Access-Control-Allow-Headers"), "X-A, X-B")
        self.assertEqual(found.header("Access-Control-Max-Age"), "7")
        self.assertEqual(found.header("Vary"), "Origin")
        self.assertEqual(there.stats.snapshot().all.requests, 0)

    def test_refused(self) -> None:
        """An origin that is not listed gets no CORS headers."""
        found = preflight(harness(origins=(OURS.decode(),)), "https://evil.test")
        self.assertEqual(found.code, 204)
        self.assertIsNone(found.header("Access-Control-Allow-Origin"))
        self.assertIsNone(found.header("Access-Control-Allow-Methods"))
        self.assertEqual(found.header("Vary"), "Origin")

    def test_without(self) -> None:
        """Without origins, OPTIONS is an ordinary method."""
        found = preflight(harness(), OURS.decode())
        self.assertEqual(found.header("Allow"), "GET, HEAD, OPTIONS, POST")
        self.assertIsNone(found.header("Access-Control-Allow-Origin"))

    def test_simple(self) -> None:
        """Every response has CORS headers: a success, an error and a 404."""
        there = harness(origins=(OURS.decode(),), expose=("ETag", "X-Request-Id"))
        for method, path in (("GET", "/hello"), ("POST", "/hello"), ("GET", "/nowhere")):
            found = there.request(method, path, headers={"Origin": OURS.decode()})
            self.assertEqual(found.header("Access-Control-Allow-Origin"), OURS.decode())
            self.assertEqual(found.header("Access-Control-Expose-Headers"), "ETag, X-Request-Id")
            self.assertEqual(found.header("Vary"), "Origin")

    def test_varies(self) -> None:
        """If origins are listed, responses to other origins have Vary: Origin, too."""
        self.assertEqual(harness(origins=(OURS.decode(),)).request("GET", "/hello").header("Vary"), "Origin")
        self.assertIsNone(harness(origins=("*",)).request("GET", "/hello").header("Vary"))
