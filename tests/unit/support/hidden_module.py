"""Hides a module from imports during a test."""

from __future__ import annotations

import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

__all__ = ["hide_module"]


def hide_module(case: SynchronousTestCase, name: str) -> None:
    """Make the import of a module fail until the end of a test.

    Only its entry of ``sys.modules`` is changed and restored: with a copy in place of ``sys.modules``, what a
    test imports first would be imported a second time later, and its classes would exist twice.
    """
    modules: dict[str, Any] = sys.modules  # whose type lacks an entry of None
    before = modules.get(name)
    modules[name] = None

    def restore() -> None:
        del modules[name]
        if before is not None:
            modules[name] = before

    case.addCleanup(restore)
