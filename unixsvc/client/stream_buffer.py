"""What has come of a stream and is not taken yet, whoever reads it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Raw

from unixsvc.client.connection import WINDOW

__all__ = ["StreamBuffer"]


class StreamBuffer:
    """Between a connection and the reader of one stream. It opens the window as items are taken.

    A connection holds this and not the reader, so that a reader that is dropped can be noticed.

    :ivar seen: whether there has been an item.
    :ivar over: whether no more will come.
    :ivar error: why, if the stream has failed.
    :ivar wake: called once when there is something new; whoever waits sets it.
    """

    def __init__(self) -> None:
        self._items: deque[Raw] = deque()
        self._taken = 0
        self._grant: Callable[[int], None] | None = None
        self.seen = False
        self.over = False
        self.error: BaseException | None = None
        self.wake: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def began(self, grant: Callable[[int], None]) -> None:
        """It is asked for.

        :param grant: lets so many further items come.
        """
        self._grant = grant

    def put(self, item: Raw) -> None:
        """One has come."""
        self.seen = True
        self._items.append(item)
        self._tell()

    def end(self, error: BaseException | None = None) -> None:
        """It has ended, or failed."""
        self.over, self.error = True, error
        self._tell()

    def take(self) -> Raw:
        """The next one; there is one."""
        item = self._items.popleft()
        self._taken += 1
        if self._taken >= WINDOW // 2 and not self.over and self._grant is not None:
            self._grant(self._taken)
            self._taken = 0
        return item

    def drop(self) -> None:
        """What is here is not wanted any more."""
        self._items.clear()

    def _tell(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()
