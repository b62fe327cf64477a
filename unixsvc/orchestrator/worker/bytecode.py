"""Imports of code that is being edited: Python's compiled files know the time of a source only in seconds.

If a source is changed within the second of its import, with the same size, its compiled file looks current,
and every later process runs the old code.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any, Final

__all__ = ["SettledSourceLoader", "compile_settled_sources"]

# A source that was changed so long ago, in seconds, has another time after its next change. Python cuts the
# time of a file off to a second, and the kernel takes that of its last tick.
_SETTLED: Final = 2.0
_IN_FUTURE: Final = 1.0  # a source with a later time has another one after its next change, too
_INSTALLED: Final = ("site-packages", "dist-packages")


class SettledSourceLoader(SourceFileLoader):
    """Imports a module, and writes no compiled file if its source may change again within the same second."""

    now = staticmethod(time.time)
    _settled = False

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """The time and size of the source, before it is read."""
        stats = super().path_stats(path)
        age = self.now() - stats["mtime"]
        self._settled = not -_IN_FUTURE <= age < _SETTLED
        return stats

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write the compiled file."""
        if self._settled:
            super().set_data(path, data, _mode=_mode)


_hook: Final = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SettledSourceLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def compile_settled_sources() -> None:
    """From now on, import modules with :class:`SettledSourceLoader`.

    The standard library and installed packages are imported as before: they are not edited.
    """
    if _hook in sys.path_hooks:
        return
    sys.path_hooks.insert(0, _hook)
    library = os.path.dirname(os.__file__)
    for place in sys.path:
        if os.path.basename(place) not in _INSTALLED and not place.startswith(library):
            sys.path_importer_cache.pop(place, None)
