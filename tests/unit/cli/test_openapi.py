"""``unixsvc openapi``."""

from __future__ import annotations

import json

from tests.unit.cli.command_runner import CommandTestCase

HTTP = ["[http]", 'app = "rest_app:app"', 'listen = ["unix:web.sock"]']
SERVICES = ["[services.user]", 'app = "unix_app.user:app"']


class OpenApiTests(CommandTestCase):
    def test_gateway(self) -> None:
        """The document has the routes of the gateway, and those of its mounts below their prefixes."""
        self.configure('socket_dir = "."', *SERVICES, *HTTP, 'mounts = { "/users" = "user:/user" }')
        outcome = self.run_command("openapi")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        document = json.loads(outcome.out)
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertEqual(
            set(document["paths"]),
            {"/", "/pictures", "/ticks", "/user", "/user/{id}", "/users", "/users/{id}"},
        )
        self.assertEqual(document["paths"]["/user/{id}"]["get"]["security"], [])
        self.assertEqual(document["paths"]["/users/{id}"]["get"]["security"], [{"bearer": []}])

    def test_service(self) -> None:
        """A service of the name has a document as if it were a gateway."""
        self.configure('socket_dir = "."', *SERVICES)
        document = json.loads(self.run_command("openapi", "user").out)
        self.assertEqual(set(document["paths"]), {"/user", "/user/{id}"})

    def test_unknown(self) -> None:
        """A name that no service has is an error of one line, which names those that exist."""
        self.configure('socket_dir = "."', *SERVICES)
        for arguments in (["openapi"], ["openapi", "shop"]):
            outcome = self.run_command(*arguments)
            self.assertEqual((outcome.code, outcome.out), (2, ""))
            self.assertIn("the services are: user", outcome.err)

    def test_other_directory(self) -> None:
        """A service that another orchestrator runs has no contract here: a warning names its prefix."""
        self.configure(
            'socket_dir = "."', *HTTP, 'socket_dir = "other"', 'mounts = { "/users" = "user:/user" }'
        )
        outcome = self.run_command("openapi")
        self.assertIn("warning: the routes below /users are not known", outcome.err)
        self.assertNotIn("/users", json.loads(outcome.out)["paths"])
