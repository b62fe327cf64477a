"""Tests of the tables ``[access.NAME]``."""

from __future__ import annotations

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.access import AccessRule

TOKEN = f'[tokens.billing]\nsha256 = "{"ab" * 32}"\nservices = ["*"]\n'


class AccessTests(ConfigTestCase):
    def rule(self, more: str, name: str = "clerks", services: str = '["home"]') -> str:
        """A configuration with a rule."""
        return f"{SERVICE}\n{TOKEN}\n[access.{name}]\nservices = {services}\n{more}\n"

    def test_read(self) -> None:
        """A rule has services, routes, and who may call them."""
        text = (
            'routes = ["GET /a"]\nuids = [7]\ntokens = ["billing", "default"]\nuser = { role = ["a", "b"] }'
        )
        expected = AccessRule(
            services=("home",),
            routes=("GET /a",),
            uids=(7,),
            tokens=("billing", "default"),
            user={"role": ("a", "b")},
        )
        self.assertEqual(self.load(self.rule(text)).access, {"clerks": expected})
        self.assertEqual(self.load(self.rule("user = {}")).access["clerks"].user, {})
        self.assertEqual(self.load(SERVICE).access, {})

    def test_unknown_names(self) -> None:
        """A service or a token that does not exist is refused, with those that do."""
        self.assert_refused(
            self.rule("anyone = true", services='["hom"]'),
            "access.clerks.services: there is no service 'hom'; there are: home",
        )
        self.assert_refused(
            self.rule('tokens = ["biling"]'),
            "access.clerks.tokens: there is no token 'biling'; there are: default, billing",
        )
        self.assert_refused(self.rule("uid = [7]"), "access.clerks.uid is unknown (did you mean 'uids'?)")
        self.assert_refused(self.rule("anyone = true", '"A b"'), "is not a valid name for a rule")

    def test_who(self) -> None:
        """A rule says who may call, and does not contradict itself."""
        self.assert_refused(
            self.rule(""), "access.clerks: does not say who may call; add uids, tokens or user"
        )
        self.assert_refused(
            self.rule("anyone = true\nuids = [7]"), "access.clerks: is for anyone, and for some"
        )
        self.assert_refused(self.rule("uids = [7]", services="[]"), "access.clerks.services: is empty")
