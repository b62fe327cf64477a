"""Protection against cross-site request forgery."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.http import Cors
from unixsvc.errors import Forbidden
from unixsvc.rest.headers.cross_origin import CrossOriginRules

NONE = Cors()
LISTED = Cors(origins=("https://shop.example",))
ANY = Cors(origins=("*",))


class CrossOriginTests(SynchronousTestCase):
    def allows(self, cors: Cors, method: bytes = b"POST", **headers: str) -> bool:
        """Whether a request is allowed."""
        headers = {"Host": "api.example", **headers}
        fields = {name.replace("_", "-").encode(): [value.encode()] for name, value in headers.items()}
        try:
            CrossOriginRules(cors).check(method, fields)
        except Forbidden:
            return False
        return True

    def test_other_site(self) -> None:
        """A method that changes something is refused if one of the headers tells of another origin."""
        for method in (b"POST", b"PUT", b"PATCH", b"DELETE", b"PURGE"):
            for headers in (
                {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://api.example:8080"},
                {"Origin": "https://api.example.evil"}, {"Origin": "file://"}, {"Origin": ""},
                {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "new"},
                {"Sec_Fetch_Site": "cross-site", "Origin": "http://api.example"},
                {"Sec_Fetch_Site": "none", "Origin": "https://evil.example"},
            ):  # fmt: skip
                self.assertFalse(self.allows(NONE, method, **headers), headers)
                self.assertTrue(self.allows(ANY, method, **headers), headers)

    def test_safe(self) -> None:
        """A method that changes nothing is allowed."""
        for method in (b"GET", b"HEAD", b"OPTIONS"):
            self.assertTrue(
                self.allows(NONE, method, Origin="https://evil.example", Sec_Fetch_Site="cross-site")
            )

    def test_same_origin(self) -> None:
        """A page of the server itself is allowed: its origin has the name and the port in ``Host``."""
        for host, origin in (
            ("api.example", "https://api.example"), ("api.example", "http://api.example"),
            ("API.example:443", "https://api.example"), ("api.example:80", "http://api.example"),
            ("localhost:8080", "http://localhost:8080"), ("[::1]:8080", "http://[::1]:8080"),
        ):  # fmt: skip
            self.assertTrue(self.allows(NONE, Host=host, Origin=origin), origin)
        self.assertFalse(self.allows(NONE, Host="api.example:443", Origin="http://api.example"))
        # A reverse proxy may send another Host; then the browser's word counts.
        self.assertTrue(
            self.allows(NONE, Host="backend", Origin="https://a.example", Sec_Fetch_Site="same-origin")
        )

    def test_no_page(self) -> None:
        """A request that no page has sent is allowed: from a program, or typed by the user."""
        self.assertTrue(self.allows(NONE))
        self.assertTrue(self.allows(NONE, Sec_Fetch_Site="none"))

    def test_listed(self) -> None:
        """An origin of ``[http.cors]`` is allowed, others are not."""
        for site in ("cross-site", "same-site", "none"):
            self.assertTrue(self.allows(LISTED, Origin="https://shop.example", Sec_Fetch_Site=site))
            self.assertFalse(self.allows(LISTED, Origin="https://evil.example", Sec_Fetch_Site=site))
        self.assertTrue(self.allows(LISTED, Origin="https://shop.example"))
        self.assertFalse(self.allows(LISTED, Origin="https://evil.example"))
        self.assertFalse(self.allows(LISTED, Sec_Fetch_Site="cross-site"))

    def test_two_origins(self) -> None:
        """Of several origins each has to be allowed."""
        for cors, expected in ((LISTED, False), (ANY, True)):
            headers = {b"Host": [b"a"], b"Origin": [b"https://shop.example", b"https://evil.example"]}
            rules = CrossOriginRules(cors)
            if expected:
                rules.check(b"POST", headers)
            else:
                self.assertRaises(Forbidden, rules.check, b"POST", headers)
