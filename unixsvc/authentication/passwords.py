"""Hashes of passwords with scrypt, which takes time and memory so that guessing is expensive."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from typing import Final

__all__ = ["hash_password", "verify_password"]

# 32 MiB and about 0.1 s, see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_COST: Final = 2**15
_BLOCK: Final = 8
_PARALLEL: Final = 3
_MEMORY: Final = 2**26
_SALT_BYTES: Final = 16
_HASH: Final = re.compile(
    r"scrypt\$([0-9]{1,9})\$([0-9]{1,3})\$([0-9]{1,3})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)"
)


def hash_password(password: str) -> str:
    """Return a hash of a password to store instead of it. Call it in a thread: it takes about 0.1 s."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    parts = (_COST, _BLOCK, _PARALLEL, b64encode(salt).decode(), b64encode(digest).decode())
    return "scrypt$" + "$".join(map(str, parts))


def verify_password(password: str, stored: str | None) -> bool:
    """Return whether a password is the one of a hash; it takes as long if there is no hash.

    Call it in a thread, as by ``asyncio.to_thread``: it takes about 0.1 s.

    :param stored: from :func:`hash_password`; None if the user does not exist, or has no password. A client
        cannot find out by the time whether there is such a user.
    :raises ValueError: if it is no such hash.
    """
    if stored is None:
        _scrypt(password, b"0" * _SALT_BYTES, _COST, _BLOCK, _PARALLEL)
        return False
    found = _HASH.fullmatch(stored)
    if found is None:
        raise ValueError("not a hash of hash_password()")
    cost, block, parallel = (int(found[number]) for number in (1, 2, 3))
    digest = _scrypt(password, b64decode(found[4]), cost, block, parallel)
    return hmac.compare_digest(digest, b64decode(found[5]))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=32)
