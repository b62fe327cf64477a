"""The container of one request: its values end with the outcome of the action."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

import svcs

__all__ = ["RequestContainer"]

_log: Final = logging.getLogger(__name__)


class RequestContainer(svcs.Container):
    """A container whose context managers get the error of the action: a session commits or rolls back.

    svcs's own ``close()`` swallows the errors of context managers, so a failed commit would be a success.
    """

    def get(self, *svc_types: Any) -> Any:
        """See :meth:`svcs.Container.get`."""
        values = []
        for each in svc_types:
            before = len(self._on_close)
            values.append(super().get(each))
            self._move_to_end(before)
        return values[0] if len(values) == 1 else values

    async def aget(self, *svc_types: Any) -> Any:
        """See :meth:`svcs.Container.aget`."""
        values = []
        for each in svc_types:
            before = len(self._on_close)
            values.append(await super().aget(each))
            self._move_to_end(before)
        return values[0] if len(values) == 1 else values

    async def finish(self, error: BaseException | None) -> None:
        """Leave the context managers, in the reverse order.

        ``svcs.Container._on_close`` has them, with their registrations. Checked with svcs 26.1 and 26.2.

        :param error: the exception of the action, which each of them gets; None if it has succeeded.
        :raises BaseException: what a context manager raises after a success; the others get it then. After a
            failure, it is logged.
        """
        failure = error
        for _, manager in reversed(self._on_close):
            try:
                if isinstance(manager, AbstractContextManager):
                    manager.__exit__(*_details(failure))
                else:
                    await manager.__aexit__(*_details(failure))
            except BaseException as raised:
                if failure is None:
                    failure = raised
                elif raised is not failure:
                    _log.error("the end of a value of the request failed", exc_info=raised)
        self._on_close.clear()
        await self.aclose()  # the local registry, and what it holds
        if error is None and failure is not None:
            raise failure

    def _move_to_end(self, index: int) -> None:
        """Let a value end before those that it has got from the container while it was made.

        svcs notes a context manager before it enters it, and so before those that it depends on.
        """
        if len(self._on_close) > index + 1:
            self._on_close.append(self._on_close.pop(index))


def _details(
    error: BaseException | None,
) -> tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)
