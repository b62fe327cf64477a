"""``breakpoint()`` in a worker without a terminal: it is skipped, and logged."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Final

from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["SkippedBreakpoints"]

_VARIABLE: Final = "PYTHONBREAKPOINT"


class SkippedBreakpoints:
    """A ``sys.breakpointhook``. A debugger would read the end of the file, and fail the request.

    Another debugger than pdb, as ``PYTHONBREAKPOINT`` names it, may need no terminal: it is called.

    :param service: the name, for the log.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._log = LimitedLogger("breakpoint")

    def install(self) -> None:
        """Make ``breakpoint()`` call this."""
        sys.breakpointhook = self

    def __call__(self, *arguments: object, **options: object) -> object:
        """Skip a breakpoint; the arguments are those of a debugger."""
        if os.environ.get(_VARIABLE):
            return sys.__breakpointhook__(*arguments, **options)
        frame = inspect.currentframe()
        caller = None if frame is None else frame.f_back  # the builtin function has no frame
        where = "an unknown line" if caller is None else f"{caller.f_code.co_filename}:{caller.f_lineno}"
        self._log.emit(
            "warn",
            f"breakpoint at {where}",
            "breakpoint at {where} skipped, as this worker has no terminal; run: unixsvc debug {service}",
            where=where,
            service=self._service,
        )
        return None
