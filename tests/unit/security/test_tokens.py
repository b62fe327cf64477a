"""The authentication of requests by tokens."""

from __future__ import annotations

import hashlib
import hmac

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Request
from unixsvc.errors import Forbidden, Unauthorized
from unixsvc.security import tokens
from unixsvc.security.access import AcceptedToken, digest_of
from unixsvc.security.tokens import TokenGuard

TOKEN, OLD, BILLING = "ab" * 32, "cd" * 32, "ef" * 32
PREVIOUS = AcceptedToken("default", digest_of(OLD))


def named(services: tuple[str, ...] = ("*",), routes: tuple[str, ...] = ()) -> AcceptedToken:
    """The token ``billing``."""
    return AcceptedToken("billing", digest_of(BILLING), services, routes)


class GuardTestCase(SynchronousTestCase):
    """Has a way to send requests to a guard."""

    def guard(self, policy: str = "required", token: str = TOKEN, *others: AcceptedToken) -> TokenGuard:
        """A guard of the service ``shop``."""
        return TokenGuard(policy, "shop", token, others)

    def admit(
        self, guard: TokenGuard, token: str | None, caller: Caller | None = None, path: str = "/"
    ) -> str:
        """The reason of a refusal, or whether the caller is trusted afterwards."""
        request = Request("GET", path, auth_token=token, caller=caller or Caller())
        try:
            guard.admit(request)
        except (Unauthorized, Forbidden) as error:
            return str(error.detail)
        return "trusted" if request.caller.trusted else "not trusted"


class GuardTests(GuardTestCase):
    """Which requests are authenticated."""

    def test_policies(self) -> None:
        """Each policy with no token, the current, the previous and a wrong one."""
        missing, wrong = "auth_token is missing", "auth_token is wrong"
        for policy, token, outcome in (
            ("required", None, missing), ("private", None, "not trusted"), ("off", None, "trusted"),
            ("required", TOKEN, "trusted"), ("private", TOKEN, "trusted"), ("off", TOKEN, "trusted"),
            ("required", OLD, "trusted"), ("private", OLD, "trusted"),
            ("required", "", wrong), ("private", "", wrong), ("off", "nonsense", "trusted"),
            ("required", TOKEN[:-1], wrong), ("required", TOKEN + "a", wrong),
            ("private", TOKEN.upper(), wrong), ("required", " " + TOKEN, wrong),
            ("required", TOKEN + "\n", wrong), ("required", TOKEN + OLD, wrong),
        ):  # fmt: skip
            self.assertEqual(self.admit(self.guard(policy, TOKEN, PREVIOUS), token), outcome, (policy, token))

    def test_identity(self) -> None:
        """A caller that presents the shared token is ``default``; with a wrong one it stays anonymous."""
        for policy, token, name in (
            ("required", TOKEN, "default"), ("private", TOKEN, "default"), ("required", OLD, "default"),
            ("required", "wrong", None), ("private", "wrong", None), ("private", None, None),
            ("off", TOKEN, None), ("off", None, None),
        ):  # fmt: skip
            caller = Caller()
            self.admit(self.guard(policy, TOKEN, PREVIOUS), token, caller)
            self.assertEqual(caller.token, name, (policy, token))

    def test_tokens_that_are_no_ascii(self) -> None:
        """Any text is a wrong token, not an internal error."""
        guard = self.guard()
        for token in ("é", "ab" * 31 + "é", "\0", "\ud800", "٣" * 64, "🔑"):
            self.assertEqual(self.admit(guard, token), "auth_token is wrong")

    def test_no_tokens(self) -> None:
        """Without a valid token, every token is wrong."""
        for token in ("", TOKEN, None):
            self.assertNotEqual(self.admit(self.guard(token=""), token), "trusted")

    def test_wrong_tokens_are_counted(self) -> None:
        """Each wrong token is counted for its caller; a missing one is not."""
        for policy in ("required", "private"):
            guard, caller, other = self.guard(policy), Caller(), Caller()
            for token in ("wrong", None, "", "wrong", None):
                self.admit(guard, token, caller)
            self.assertEqual((caller.wrong_tokens, other.wrong_tokens), (3, 0))
            self.assertEqual(self.admit(guard, TOKEN, caller), "trusted")
            self.assertEqual(caller.wrong_tokens, 3)

    def test_constant_time(self) -> None:
        """Tokens are compared in constant time, or by digests, of which a caller cannot choose the start."""
        compared: list[tuple[bytes, bytes]] = []
        digested: list[bytes] = []

        def compare(a: bytes, b: bytes) -> bool:
            compared.append((a, b))
            return a == b

        def digest(data: bytes) -> object:
            digested.append(data)
            return hashlib.sha256(data)

        self.patch(hmac, "compare_digest", compare)
        guard = self.guard("required", TOKEN, PREVIOUS)
        self.patch(tokens, "sha256", digest)
        for token, before in ((TOKEN, TOKEN), (OLD, TOKEN), (OLD, OLD), ("x", OLD), (OLD, OLD), (TOKEN, OLD)):
            compared.clear()
            digested.clear()
            self.admit(guard, token)
            self.assertEqual(compared, [(token.encode(), before.encode())])
            self.assertEqual(digested, [] if token == before else [token.encode()])

    def test_long(self) -> None:
        """No digest is made of a text that is much longer than a token."""
        self.patch(tokens, "sha256", lambda data: self.fail("it costs time"))
        self.assertEqual(self.admit(self.guard(), "a" * 1025), "auth_token is wrong")


class NamedTokenTests(GuardTestCase):
    """Tokens with names, and their limits."""

    def test_name(self) -> None:
        """A token is known by its name, whichever was presented before."""
        guard = self.guard("required", TOKEN, named())
        for token, name in ((BILLING, "billing"), (TOKEN, "default"), (BILLING, "billing")):
            caller = Caller()
            self.assertEqual(self.admit(guard, token, caller), "trusted")
            self.assertEqual((caller.token, caller.admitted), (name, True))

    def test_services(self) -> None:
        """A token opens the services that it names, and every service with ``*``."""
        no = "the token 'billing' may not call this service"
        for services, outcome in (
            (("shop",), "trusted"), (("user", "shop"), "trusted"), (("*",), "trusted"),
            (("user",), no), ((), no),
        ):  # fmt: skip
            for policy in ("required", "private"):
                caller = Caller()
                guard = self.guard(policy, TOKEN, named(services))
                self.assertEqual(self.admit(guard, BILLING, caller), outcome, services)
                self.assertEqual(self.admit(guard, None, caller), outcome, services)
                self.assertEqual(caller.trusted, outcome == "trusted")

    def test_routes(self) -> None:
        """A token with routes opens these, request by request; the connection need not repeat it."""
        guard, caller = self.guard("private", TOKEN, named(("shop",), ("GET /items/{id}",))), Caller()
        no = "the token 'billing' may not call this route"
        for token, path, outcome in (
            (BILLING, "/items/7", "trusted"), (None, "/items/8", "trusted"), (None, "/orders", no),
            (None, "/items/7", "trusted"), (BILLING, "/orders", no), (TOKEN, "/orders", "trusted"),
        ):  # fmt: skip
            self.assertEqual(self.admit(guard, token, caller, path), outcome, path)
        self.assertEqual((caller.token, caller.admitted), ("default", True))

    def test_routes_of_the_first_request(self) -> None:
        """A request that the token does not allow leaves its caller without trust."""
        guard, caller = self.guard("private", TOKEN, named(("shop",), ("/items",))), Caller()
        self.assertIn("this route", self.admit(guard, BILLING, caller, "/orders"))
        self.assertEqual((caller.trusted, caller.admitted), (False, False))


class ReplaceTests(GuardTestCase):
    """Changes of the valid tokens while connections are open."""

    def trusted(self, guard: TokenGuard, token: str) -> Caller:
        """A caller that has presented a token."""
        caller = Caller()
        self.assertEqual(self.admit(guard, token, caller), "trusted")
        return caller

    def test_revoked(self) -> None:
        """A caller with a token that is not valid any more loses its trust, and is to reconnect."""
        for routes in ((), ("/",)):
            guard = self.guard("required", TOKEN, named(routes=routes))
            caller, other = self.trusted(guard, BILLING), self.trusted(guard, TOKEN)
            guard.replace(TOKEN, [])
            self.assertEqual((guard.review(caller), guard.review(other)), (True, False))
            self.assertEqual((caller.trusted, caller.admitted, caller.token), (False, False, None))
            self.assertTrue(other.trusted and other.admitted)
            self.assertEqual(self.admit(guard, None, caller), "auth_token is missing")
            self.assertEqual(self.admit(guard, BILLING, caller), "auth_token is wrong")
            self.assertEqual(self.admit(guard, TOKEN, caller), "trusted")

    def test_revoked_without_review(self) -> None:
        """A caller whose requests are checked one by one loses its trust at the next one."""
        guard = self.guard("private", TOKEN, named(routes=("/",)))
        caller = self.trusted(guard, BILLING)
        guard.replace(TOKEN, [])
        self.assertEqual(self.admit(guard, None, caller), "not trusted")

    def test_limited(self) -> None:
        """A caller whose token may call fewer routes than before is checked again with each request."""
        guard = self.guard("required", TOKEN, named())
        caller = self.trusted(guard, BILLING)
        self.assertTrue(caller.admitted)
        guard.replace(TOKEN, [named(routes=("/other",))])
        self.assertFalse(guard.review(caller))
        self.assertFalse(caller.trusted or caller.admitted)
        self.assertIn("may not call this route", self.admit(guard, None, caller))

    def test_other_token_rotated(self) -> None:
        """A caller with a named token need not reconnect when the shared one is replaced."""
        guard = self.guard("required", OLD, named())
        caller = self.trusted(guard, BILLING)
        guard.replace(TOKEN, [PREVIOUS, named()])
        self.assertFalse(guard.review(caller))
        self.assertTrue(caller.trusted and caller.admitted)

    def test_rotated(self) -> None:
        """During the overlap, callers with the previous token keep their trust, but are to reconnect."""
        guard = self.guard(token=OLD)
        caller = self.trusted(guard, OLD)
        guard.replace(TOKEN, [PREVIOUS])
        self.assertTrue(guard.review(caller))
        self.assertTrue(caller.trusted and caller.admitted)
        self.assertEqual(self.admit(guard, OLD), "trusted")
        self.assertFalse(guard.review(self.trusted(guard, TOKEN)))
        guard.replace(TOKEN, [])
        self.assertTrue(guard.review(caller))
        self.assertFalse(caller.trusted or caller.admitted)
        self.assertEqual(self.admit(guard, OLD), "auth_token is wrong")

    def test_anonymous(self) -> None:
        """A caller without a token is not changed."""
        guard, caller = self.guard("private"), Caller()
        guard.replace(OLD, [])
        self.assertFalse(guard.review(caller))
        other = Caller(trusted=True, admitted=True)
        self.assertFalse(guard.review(other))
        self.assertTrue(other.trusted)
