"""An application with a module that is changed within the second of its first import."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from unixsvc import GET, App

_NAME = "edited_module"
_FILE = Path(__file__).with_name(f"{_NAME}.py")


def _import_once() -> ModuleType:
    importlib.invalidate_caches()
    sys.modules.pop(_NAME, None)
    return importlib.import_module(_NAME)


def _import_and_edit() -> ModuleType:
    """Import the first version, and write the second one; both have the same size and time."""
    while True:
        _FILE.write_text("VALUE = 1\n")
        written = int(_FILE.stat().st_mtime)
        module = _import_once()
        _FILE.write_text("VALUE = 2\n")
        if int(_FILE.stat().st_mtime) == written:
            return module


_module = _import_once() if _FILE.exists() else _import_and_edit()


def value() -> int:
    """The value that this worker has imported."""
    found: int = _module.VALUE
    return found


app = App([GET("/value", value)])
