"""Idempotency keys, which belong to their callers."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from unixsvc.domain.message import FORWARDED_USER, Request
from unixsvc.errors import Invalid

__all__ = ["META_KEY", "SAFE_METHODS", "fingerprint_of", "invalid_key", "own_key", "with_own_key"]

META_KEY: Final = "idempotency_key"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_LENGTH: Final = 255  # characters; a message could contain a key of a megabyte


def fingerprint_of(request: Request) -> bytes:
    """Return a digest of what a request asks for: its method, path, query, data and body."""
    head = msgspec.json.encode([request.method, request.path, request.query])
    digest = hashlib.blake2b(head, digest_size=32)
    digest.update(memoryview(request.data))
    digest.update(request.body)
    return digest.digest()


def own_key(request: Request, fingerprint: bytes) -> bytes:
    """Return a digest of the key of a request and of its caller, so that no other caller has the same one.

    An anonymous caller cannot be distinguished from others. Its keys are kept apart by the requests instead.

    :param fingerprint: as :func:`fingerprint_of` returns it.
    :raises Invalid: if the key is too short or too long.
    """
    key = request.meta[META_KEY]
    if not 1 <= len(key) <= _MAX_LENGTH:
        raise invalid_key(f"has 1 to {_MAX_LENGTH} characters")
    identity = request.identity
    owner = fingerprint if identity is None else hashlib.blake2b(identity.encode(), digest_size=32).digest()
    return hashlib.blake2b(owner + key.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def with_own_key(request: Request) -> dict[str, str]:
    """Return the ``meta`` of a request for another service, for which all callers of this one are the same.

    A key that has an effect is replaced by its digest. Only the user whom this service has authenticated is
    named: a caller may not choose one.

    :raises Invalid: as :func:`own_key` does.
    """
    meta = request.meta
    if META_KEY in meta and request.method not in SAFE_METHODS:
        meta = {**meta, META_KEY: own_key(request, fingerprint_of(request)).hex()}
    if request.user_name:
        return {**meta, FORWARDED_USER: request.user_name}
    if FORWARDED_USER in meta:
        return {name: value for name, value in meta.items() if name != FORWARDED_USER}
    return meta


def invalid_key(problem: str) -> Invalid:
    """Return the error for a key that cannot be used."""
    return Invalid([{"field": f"meta.{META_KEY}", "message": f"the idempotency_key {problem}"}])
