"""The verification of JSON Web Tokens with PyJWT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import msgspec
from msgspec import Struct

from unixsvc.authentication.credentials import InvalidCredentials
from unixsvc.authentication.jwt.key_file import KeyFile
from unixsvc.authentication.jwt.keys import Keys, is_hmac, parse_jwks, parse_pem, shared_key
from unixsvc.domain.json import JsonObject
from unixsvc.errors import ConfigError

__all__ = ["JwtVerifier", "VerifiedToken"]

_INVALID: Final = "the token is not valid"
# What a client may know of an error of PyJWT, by the name of its class.
_PROBLEMS: Final = {
    "ExpiredSignatureError": "the token has expired",
    "ImmatureSignatureError": "the token is not valid yet",
    "InvalidAudienceError": "the token is for another audience",
    "InvalidIssuerError": "the token is from another issuer",
}
# A client that has not renewed its token in time does not guess.
_HONEST: Final = frozenset(_PROBLEMS) - {"InvalidIssuerError"}
_CLAIMS_AS_DICT: Final = (None, Any, object, dict, Mapping)


class VerifiedToken(Struct, frozen=True):
    """A token whose signature and whose claims are valid.

    :ivar claims: in the type that the application has chosen.
    :ivar subject: the claim ``sub``; empty without one.
    """

    claims: object
    subject: str


class JwtVerifier:
    """Verifies tokens; the parameters are those of :meth:`unixsvc.Bearer.jwt`.

    :param where: for error messages.
    :param claims_type: the type into which the claims are converted; None for a dict.
    :raises ConfigError: for arguments that are not safe.
    """

    def __init__(
        self,
        where: str,
        *,
        algorithms: Sequence[str],
        audience: str | Sequence[str] | None,
        issuer: str | Sequence[str] | None,
        leeway: float,
        key: str,
        public_key_file: str,
        jwks_file: str,
        claims_type: Any = None,
    ) -> None:
        self._where = where
        self._algorithms = _checked_algorithms(algorithms, where)
        if sum(map(bool, (key, public_key_file, jwks_file))) != 1:
            remedy = "give one of key, public_key_file and jwks_file"
            raise ConfigError(where, "its tokens have no key, or several", remedy)
        if is_hmac(self._algorithms[0]) != bool(key) and not jwks_file:
            problem = f"the key does not fit the algorithm {self._algorithms[0]}"
            raise ConfigError(where, problem, "HMAC (HS256) needs key; the others need public_key_file")
        if leeway < 0:
            raise ConfigError(where, "leeway is negative", "give a number of seconds")
        self._key = key
        self._files = (public_key_file, jwks_file)
        self._claims_type = None if claims_type in _CLAIMS_AS_DICT else claims_type
        self._options: dict[str, Any] = {  # as PyJWT declares them
            "audience": audience if audience is None or isinstance(audience, str) else list(audience),
            "issuer": issuer if issuer is None or isinstance(issuer, str) else list(issuer),
            "leeway": leeway,
            "options": {"require": ["exp"]},
        }
        self._shared: Keys = {}
        self._file: KeyFile[Keys] | None = None

    def start(self, folder: str) -> None:
        """Import PyJWT, and read the keys.

        :raises ConfigError: if it is not installed, or if the keys cannot be used.
        """
        try:
            self._jwt = import_module("jwt")
        except ModuleNotFoundError:
            remedy = "install it: pip install 'unixsvc[jwt]'"
            raise ConfigError(self._where, "PyJWT is not installed", remedy) from None
        pem, jwks = self._files
        if not (pem or jwks):
            self._shared = shared_key(self._jwt, self._key, self._algorithms, self._where)
            return
        self._file = KeyFile(pem or jwks, self._parse_pem if pem else self._parse_jwks, self._where)
        self._file.start(folder)

    def __call__(self, token: str) -> VerifiedToken:
        """Verify a token.

        :raises InvalidCredentials: if it is not valid.
        """
        try:
            header = self._jwt.get_unverified_header(token)
            key = self._key_for(header)
            claims: JsonObject = self._jwt.decode(
                token, key=key, algorithms=[key.algorithm_name], **self._options
            )
        except self._jwt.PyJWTError as error:
            kind = type(error).__name__
            problem = _PROBLEMS.get(kind, _INVALID)
            raise InvalidCredentials(problem, is_guess=kind not in _HONEST) from None
        except (ValueError, TypeError, RecursionError, OverflowError):
            # Of the JSON in a token, where PyJWT expects other values.
            raise InvalidCredentials(_INVALID) from None
        subject = claims.get("sub", "")
        return VerifiedToken(self._typed(claims), subject if isinstance(subject, str) else "")

    def _key_for(self, header: Mapping[str, object]) -> Any:
        """Return the key of a token, a PyJWK, which is bound to one algorithm.

        The algorithm of the header only chooses among the keys; a key is never used with another one.
        """
        keys = self._shared if self._file is None else self._file.keys()
        algorithm, name = header.get("alg"), header.get("kid")
        found = keys.get((name, algorithm)) or keys.get((None, algorithm))
        if found is None and name is None:
            fitting = [each for (_, known), each in keys.items() if known == algorithm]
            found = fitting[0] if len(fitting) == 1 else None
        if found is None:
            raise InvalidCredentials("the token is signed with an unknown key")
        return found

    def _typed(self, claims: JsonObject) -> object:
        if self._claims_type is None:
            return claims
        try:
            return msgspec.convert(claims, self._claims_type)
        except msgspec.ValidationError:
            raise InvalidCredentials("a claim of the token is missing or has another type") from None

    def _parse_pem(self, content: bytes) -> Keys:
        return parse_pem(self._jwt, content, self._algorithms)

    def _parse_jwks(self, content: bytes) -> Keys:
        return parse_jwks(self._jwt, content, self._algorithms)


def _checked_algorithms(algorithms: Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(algorithms, str):
        algorithms = (algorithms,)
    if not algorithms:
        raise ConfigError(where, "no algorithm is named", "name those of the issuer, as algorithms=['RS256']")
    for each in algorithms:
        if each.lower() == "none":
            raise ConfigError(where, "the algorithm 'none' has no signature", "remove it")
    if len({is_hmac(each) for each in algorithms}) > 1:
        problem = "HMAC and public keys are mixed: a public key could be taken for a shared one"
        raise ConfigError(where, problem, "use a scheme for each")
    return tuple(algorithms)
