"""``unixsvc check`` and ``unixsvc openapi`` of an application with users."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.application.built import built_application
from unixsvc.config.loader import load_settings
from unixsvc.errors import ConfigError

_CONFIG = """
[services.shop]
app = "tests.unit.cli.users_app:app"
"""


class CheckUsersTests(SynchronousTestCase):
    def check(self, more: str = "") -> object:
        """The contract of the application, as it is built."""
        folder = self.mktemp()
        os.mkdir(folder)
        path = Path(folder, "unixsvc.toml")
        path.write_text(_CONFIG + more)
        settings = load_settings(path)
        with built_application(settings, "shop", settings.services["shop"]) as built:
            return built.router.contract()

    def test_contract(self) -> None:
        """The schemes are in the contract, without a start; a controller gets the session scheme."""
        contract = self.check()
        schemes = getattr(contract, "security_schemes", {})
        self.assertEqual(list(schemes), ["session"])
        security = {route.path: route.security for route in getattr(contract, "application_routes", ())}
        self.assertEqual(security, {"/me": [{"session": []}], "/login": None})

    def test_rules(self) -> None:
        """A route of a rule that is not valid is found."""
        with self.assertRaisesRegex(ConfigError, r"access\.a\.routes"):
            self.check('[access.a]\nservices = ["shop"]\nroutes = ["GET me"]\nuser = {}\n')
