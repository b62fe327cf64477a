"""The public names."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pkgutil import walk_packages

from twisted.trial.unittest import SynchronousTestCase

import unixsvc
from unixsvc import errors

PUBLIC = {
    "ApiKey", "App", "BadGateway", "Basic", "Bearer", "Body", "Call", "Cancelled", "Check", "Client",
    "ClientCertificate", "ClientInfo", "Conflict", "Cookie", "Created", "CurrentUser", "DELETE",
    "DeadlineExceeded", "Event", "File", "Forbidden", "Form", "Forwarded", "ForwardedUser", "GET", "Gone",
    "Group", "HEAD", "Header", "IDescribesRoutes", "IHandleMessage", "IOrchestratorWatcher",
    "IRequestHandler", "IReviewsCallers", "IRouterDatasource", "IServices", "Interceptor", "Invalid",
    "JobRun", "LastEventId", "MethodNotAllowed", "NotFound", "OPTIONS", "PATCH", "POST", "PUT", "Password",
    "Peer", "PeerCertificate", "Proceed", "Query", "RateLimit", "RateLimited", "Redirect", "Reply",
    "Request", "Response", "Returns", "Route", "RouteInfo", "Schedule", "ServiceCaller", "ServiceContext",
    "ServiceError", "Session", "SessionCookie", "SetCookie", "Tasks", "Unauthorized", "Unavailable",
    "UnixUser", "UploadFile", "WEBSOCKET", "WebSocket", "WebSocketClosed", "cron", "current_request_id",
    "every", "from_asyncio", "hash_password", "verify_password",
}  # fmt: skip

# These are run and never imported.
RUN = {"unixsvc.__main__"}


class ExportTests(SynchronousTestCase):
    """The exports of modules."""

    def test_public_face(self) -> None:
        """The package exports what applications need, and nothing else."""
        self.assertEqual(set(unixsvc.__all__), PUBLIC)
        self.assertEqual(len(unixsvc.__all__), len(PUBLIC))

    def test_public_names_are_there(self) -> None:
        """Each public name can be imported and is the object of its module."""
        for name in unixsvc.__all__:
            value = getattr(unixsvc, name)
            # An alias as Annotated[T, ...] does not say reliably where it is from.
            place = "unixsvc.authentication.current_user" if name == "CurrentUser" else value.__module__
            home = import_module(place)
            self.assertIs(getattr(home, name), value)
            self.assertIn(name, home.__all__)
            self.assertIn(name, dir(unixsvc))

    def test_modules_of_public_names(self) -> None:
        """Each public name has one module in the table, which exports it; those of the errors have no row."""
        rows = [(module, name) for module, names in unixsvc._MODULES.items() for name in names]
        for module, name in rows:
            self.assertIn(name, import_module(module).__all__, module)
        names = Counter(name for _, name in rows)
        names.update(name for name in unixsvc.__all__ if name in errors.__all__)
        self.assertEqual(names, Counter(unixsvc.__all__))

    def test_unknown_name(self) -> None:
        """An unknown name raises AttributeError."""
        for name in ("Nonsense", "ConfigError", "error_from"):
            with self.assertRaises(AttributeError) as caught:
                getattr(unixsvc, name)
            self.assertIn(name, str(caught.exception))

    def test_every_module(self) -> None:
        """Each module has an ``__all__`` with existing names; packages without code have none."""
        seen = 0
        for found in walk_packages(unixsvc.__path__, "unixsvc."):
            if found.name in RUN:
                continue
            module = import_module(found.name)
            names = getattr(module, "__all__", None)
            if found.ispkg and names is None:
                continue
            self.assertIsNotNone(names, found.name)
            self.assertEqual(len(set(names or ())), len(names or ()), found.name)
            for name in names or ():
                self.assertTrue(hasattr(module, name), f"{found.name}.{name}")
            seen += 1
        self.assertGreater(seen, 20)
