"""The library ``websockets`` where its public interface is not enough.

Checked with the versions 16.0 and 17.4; :mod:`tests.unit.rest.websocket.test_library` fails when it changes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

__all__ = ["ServerFrames"]

# Frames are not logged, as messages may be confidential, nor is each end of a connection.
_log: Final = logging.getLogger("unixsvc.websocket")
_log.setLevel(logging.ERROR)


class ServerFrames(Protocol):
    """The server's side of one WebSocket after the handshake.

    :param max_message: the largest message, in bytes, after decompression.
    :param extensions: those that were negotiated.
    """

    def __init__(self, max_message: int, extensions: Sequence[Extension]) -> None:
        super().__init__(Side.SERVER, max_size=max_message, logger=_log)
        self.extensions = [*extensions]

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame.

        The library rejects a Close frame within a fragmented message. RFC 6455, section 5.4, allows it, and
        the test suite of Autobahn has a case for it.
        """
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)

    @property
    def buffered(self) -> int:
        """The number of bytes of a frame that is not complete."""
        return len(self.reader.buffer)
