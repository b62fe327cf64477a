"""Keys of JSON Web Tokens; each is bound to one algorithm, so that a token cannot choose another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from unixsvc.errors import ConfigError

__all__ = ["Keys", "is_hmac", "parse_jwks", "parse_pem", "shared_key"]

# PyJWT is an extra that need not be installed, so its types are not named: each key is a jwt.PyJWK.
Keys: TypeAlias = dict[tuple[object, object], Any]
"""The keys by their name, None without one, and by their algorithm."""

_MIN_SHARED: Final = 32  # bytes, see RFC 7518, section 3.2


def is_hmac(algorithm: str) -> bool:
    """True if an algorithm has a shared key."""
    return algorithm.startswith("HS")


def shared_key(jwt: Any, key: str, algorithms: Sequence[str], where: str) -> Keys:
    """Return the keys of HMAC.

    :param jwt: the module of PyJWT.
    :raises ConfigError: if the key could be guessed.
    """
    encoded = key.encode()
    if len(encoded) < _MIN_SHARED:
        remedy = "make one with: openssl rand -hex 32"
        raise ConfigError(where, f"the key has less than {_MIN_SHARED} bytes", remedy)
    text = jwt.utils.base64url_encode(encoded).decode()
    return {(None, each): _bound(jwt, {"kty": "oct", "k": text}, each, where) for each in algorithms}


def parse_pem(jwt: Any, content: bytes, algorithms: Sequence[str]) -> Keys:
    """Return the keys of a PEM file.

    :raises ValueError: if it has no public key for one of the algorithms.
    """
    keys: Keys = {}
    for each in algorithms:
        try:
            algorithm = jwt.get_algorithm_by_name(each)
            document = algorithm.to_jwk(algorithm.prepare_key(content), as_dict=True)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
            raise ValueError(f"has no public key for {each}: {error}") from None
        if "d" in document:
            raise ValueError("holds a private key; the service needs the public one only")
        keys[None, each] = jwt.PyJWK(document, each)
    return keys


def parse_jwks(jwt: Any, content: bytes, algorithms: Sequence[str]) -> Keys:
    """Return the keys of a JSON Web Key Set that one of the algorithms can use.

    :raises ValueError: if there are none, or if the content is no such set.
    """
    try:
        documents = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("is not a JSON Web Key Set: an object with keys") from None
    keys: Keys = {}
    for document in documents if isinstance(documents, list) else []:
        if not isinstance(document, dict) or document.get("use", "sig") != "sig":
            continue
        for each in algorithms:
            if document.get("alg", each) != each or is_hmac(each) != (document.get("kty") == "oct"):
                continue
            try:
                keys[document.get("kid"), each] = jwt.PyJWK(document, each)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue  # of another kind, as an elliptic curve for RS256
    if not keys:
        raise ValueError(f"has no key for {', '.join(algorithms)}")
    return keys


def _bound(jwt: Any, document: dict[str, str], algorithm: str, where: str) -> Any:
    try:
        return jwt.PyJWK(document, algorithm)
    except jwt.PyJWTError:
        raise ConfigError(where, f"PyJWT knows no algorithm {algorithm!r}", "use HS256") from None
