"""The table ``[metrics]``."""

from __future__ import annotations

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.metrics import MetricsEndpoint


class MetricsTests(ConfigTestCase):
    """The table."""

    def table(self, text: str) -> str:
        """A configuration with the table."""
        return f"{SERVICE}\n[metrics]\n{text}\n"

    def test_read(self) -> None:
        """All keys are read; the path of the token is relative to the file."""
        text = (
            'listen = "tcp:9464"\nallowed_hosts = ["example.org"]\ntoken_file = "t"\nbuckets = [1, 2.5]\n'
            'gauges = { stock = "max" }'
        )
        token = f"{self.folder}/t"
        expected = MetricsEndpoint("tcp:9464", ("example.org",), token, (1, 2.5), {"stock": "max"})
        self.assertEqual(self.load(self.table(text)).metrics, expected)

    def test_off(self) -> None:
        """There is no endpoint by default."""
        self.assertEqual(self.load().metrics.listen, "")

    def test_listen(self) -> None:
        """An address that cannot be listened on is refused, with the reason."""
        for listen, words in {
            "udp:1": "unknown endpoint type",
            "tcp": "has no port",
            "ssl:1:privateKey=k.pem": "metrics are not served with TLS",
            f"unix:{'x' * 200}": "choose a shorter path",
        }.items():
            self.assert_refused(self.table(f'listen = "{listen}"'), "metrics.listen", words)

    def test_gateway(self) -> None:
        """The address of a gateway is refused: only one of them could listen there."""
        text = self.table('listen = "tcp:8080:interface=127.0.0.1"')
        gateway = '[http]\napp = "x:app"\n'
        self.assert_refused(text + gateway, "metrics.listen", "is an address of [http] too")

    def test_buckets(self) -> None:
        """The bounds of buckets are positive numbers in ascending order, neither none nor too many."""
        for buckets, words in {
            "[]": "has 0 bounds",
            "[0, 1]": "not a positive number",
            "[inf]": "expected a finite number",
            "[1, 1]": "not in ascending order",
            str([*range(1, 200)]): "has 199 bounds",
        }.items():
            self.assert_refused(self.table(f"buckets = {buckets}"), "metrics.buckets", words)

    def test_gauges(self) -> None:
        """A rule is one of those that exist, for the name of a metric."""
        self.assert_refused(self.table('gauges = { stock = "avg" }'), "metrics.gauges", "avg")
        self.assert_refused(self.table('gauges = { "a b" = "max" }'), "'a b' cannot be the name of a metric")

    def test_hosts(self) -> None:
        """Host names are checked as those of a gateway."""
        self.assert_refused(self.table('allowed_hosts = ["a b"]'), "metrics.allowed_hosts", "'a b'")

    def test_typing_error(self) -> None:
        """A key with a typing error gets a hint."""
        self.assert_refused(self.table('listn = ""'), "metrics.listn is unknown (did you mean 'listen'?)")
