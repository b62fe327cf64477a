"""The scheme Bearer: JSON Web Tokens, and tokens whose meaning only the application knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from unixsvc.authentication.credentials import (
    Credentials,
    InvalidCredentials,
    digest_subject,
    printable_subject,
)
from unixsvc.authentication.jwt.verifier import JwtVerifier
from unixsvc.authentication.schemes.base import SchemeBase, quoted
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request

__all__ = ["Bearer"]

_NAME: Final = "user_token"
_MAX_LENGTH: Final = 8192


class Bearer(SchemeBase):
    """Tokens in the header ``Authorization: Bearer TOKEN``; over a socket in ``meta``.

    Bearer itself is for opaque tokens: ``find_user`` gets the token. :meth:`jwt` verifies JSON Web Tokens.

    :param find_user: returns the user of a token, or None. Its further parameters come from the container.
    :param name: of the scheme.
    :param realm: for the challenge of a 401.
    :param description: for API documentation.
    :param token_url: where clients get a token for a user name and a password, for API documentation. The
        scheme is shown as OAuth 2.0 then, whose form ``/docs`` can send.
    :param max_length: longer tokens are not valid, in characters.
    """

    def __init__(
        self,
        find_user: Callable[..., object],
        *,
        name: str = _NAME,
        realm: str = "",
        description: str = "",
        token_url: str = "",
        max_length: int = _MAX_LENGTH,
    ) -> None:
        super().__init__(find_user, name, description)
        self._realm = realm
        self._token_url = token_url
        self._max_length = max_length
        self._verifier: JwtVerifier | None = None

    @classmethod
    def jwt(
        cls,
        find_user: Callable[..., object],
        *,
        algorithms: Sequence[str],
        audience: str | Sequence[str] | None,
        issuer: str | Sequence[str] | None,
        key: str = "",
        public_key_file: str = "",
        jwks_file: str = "",
        leeway: float = 0.0,
        name: str = _NAME,
        realm: str = "",
        description: str = "",
        token_url: str = "",
        max_length: int = _MAX_LENGTH,
    ) -> Bearer:
        """A scheme for JSON Web Tokens, which needs the extra ``jwt``.

        ``find_user`` gets the claims: as a dict or, if its first parameter is annotated so, as a struct, a
        dataclass or a TypedDict. A token without an ``exp`` is not valid.

        :param algorithms: those that are accepted. HMAC and public keys exclude each other.
        :param audience: the ``aud`` of this API, or several; None for tokens without one.
        :param issuer: the ``iss`` that is accepted, or several; None for any.
        :param key: the key of HMAC (``HS256``), of at least 32 bytes.
        :param public_key_file: a PEM file with the public key.
        :param jwks_file: a JSON Web Key Set. Both files are read again when they change.
        :param leeway: how far the clocks may differ, in seconds.
        :raises unixsvc.errors.ConfigError: for arguments that are not safe.
        """
        scheme = cls(
            find_user,
            name=name,
            realm=realm,
            description=description,
            token_url=token_url,
            max_length=max_length,
        )
        scheme._verifier = JwtVerifier(
            scheme._where,
            algorithms=algorithms,
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            key=key,
            public_key_file=public_key_file,
            jwks_file=jwks_file,
            claims_type=scheme.find_user.takes,
        )
        return scheme

    def start(self, folder: str) -> None:
        """Read the keys."""
        if self._verifier is not None:
            self._verifier.start(folder)

    def read(self, request: Request) -> Credentials | None:
        """Return the token, or its claims."""
        # Over HTTP a valid token of the service itself is in the same header.
        if request.headers is not None and request.caller.grant is not None:
            return None
        kind, _, token = (request.header("authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            return None
        token = token.strip()
        if not token or len(token) > self._max_length or not token.isascii():
            raise InvalidCredentials("the token is not valid")
        if self._verifier is None:
            return Credentials(token, digest_subject(token))
        verified = self._verifier(token)
        subject = verified.subject
        return Credentials(verified.claims, printable_subject(subject) if subject else digest_subject(token))

    def challenge(self, problem: str) -> str:
        """Return the challenge of RFC 6750, section 3."""
        parameters = [f"realm={quoted(self._realm)}"] if self._realm else []
        if problem:
            parameters += ['error="invalid_token"', f"error_description={quoted(problem)}"]
        return " ".join(["Bearer", ", ".join(parameters)]).rstrip()

    def describe(self) -> JsonObject:
        """Return the HTTP authentication scheme, or OAuth 2.0 with a password."""
        description = {"description": self.description} if self.description else {}
        if self._token_url:
            flow = {"tokenUrl": self._token_url, "scopes": {}}
            return {"type": "oauth2", "flows": {"password": flow}} | description
        form = {} if self._verifier is None else {"bearerFormat": "JWT"}
        return {"type": "http", "scheme": "bearer"} | form | description
