"""The table ``[control]``: who may use the control API."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["ControlAccess"]

# 2**32 - 1 stands for "no user" in the kernel.
_Identity = Annotated[int, Meta(ge=0, le=2**32 - 2)] | str


class ControlAccess(Struct, frozen=True, forbid_unknown_fields=True):
    """Users and groups, by name or number, in addition to the orchestrator's own user and root.

    :ivar allow_uids: users who may use every route.
    :ivar allow_gids: groups whose members may.
    :ivar read_uids: users who may read the status and the contract.
    :ivar read_gids: groups whose members may.
    """

    allow_uids: tuple[_Identity, ...] = ()
    allow_gids: tuple[_Identity, ...] = ()
    read_uids: tuple[_Identity, ...] = ()
    read_gids: tuple[_Identity, ...] = ()
