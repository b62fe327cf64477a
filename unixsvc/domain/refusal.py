"""The refusal of a caller without a valid token."""

from __future__ import annotations

from typing import Final

from unixsvc.domain.message import Request
from unixsvc.errors import Unauthorized, WrongToken

__all__ = ["MISSING", "WRONG", "refusal_of"]

# The details of 401 by which a client recognizes that its token is the reason.
MISSING: Final = "auth_token is missing"
WRONG: Final = "auth_token is wrong"


def refusal_of(request: Request) -> Unauthorized:
    """Return the error of a request that needs a trusted caller, and count a token that is not valid."""
    caller = request.caller
    if request.auth_token is None or caller.grant is not None:
        return Unauthorized()
    caller.wrong_tokens += 1
    return WrongToken(WRONG)
