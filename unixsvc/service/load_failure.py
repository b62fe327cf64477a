"""What an application raises while it is imported, as one line."""

from __future__ import annotations

import os
import sysconfig
import traceback
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["explains_itself", "load_failure"]

# An error that the standard library raises is one of its caller.
_LIBRARY: Final = (sysconfig.get_path("stdlib"), os.path.dirname(os.path.dirname(__file__)), "<frozen ")
_INSTALLED: Final = ("site-packages", "dist-packages")


def load_failure(error: BaseException) -> ConfigError:
    """The exception with its place: the file and line of the application's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_application(frame.filename)]
    frame = (own or frames)[-1]
    where = f"{frame.filename}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        where = f"{error.filename}:{error.lineno}"
    return ConfigError(where, "".join(traceback.format_exception_only(error)[-1:]).strip())


def explains_itself(error: BaseException) -> bool:
    """Whether the one line of :func:`load_failure` has all that a traceback would have.

    That is so for a syntax error, and for an import that fails in the first file of the application.
    """
    own = [each for each in traceback.extract_tb(error.__traceback__) if _is_application(each.filename)]
    return isinstance(error, SyntaxError | ImportError) and len(own) <= 1


def _is_application(path: str) -> bool:
    return not path.startswith(_LIBRARY) and not any(part in _INSTALLED for part in path.split(os.sep))
