import inspect
import logging

from twisted.trial.unittest import SynchronousTestCase
from websockets.protocol import Protocol

from unixsvc.rest.websocket.library import ServerFrames


class LibraryTests(SynchronousTestCase):
    def test_private_parts(self) -> None:
        """The library still has the parts that are not public, and rejects what we have to allow."""
        source = inspect.getsource(Protocol.recv_frame)
        self.assertIn("incomplete fragmented message", source)
        self.assertIsNone(ServerFrames(10, ()).current_size)
        self.assertEqual(ServerFrames(10, ()).buffered, 0)

    def test_not_logged(self) -> None:
        """The library logs no frames, whatever the level of the application's log."""
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.DEBUG)
        self.addCleanup(root.setLevel, level)
        self.assertFalse(ServerFrames(10, ()).debug)
