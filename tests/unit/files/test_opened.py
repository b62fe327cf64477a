import errno
import gc
import os
import socket
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.file import File
from unixsvc.domain.reply_head import WrongHeader
from unixsvc.errors import NotFound, Unavailable
from unixsvc.files.opened import Folder, open_file


class OpenedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a folder with a file, and a file outside of it."""
        self.root = Path(self.mktemp())
        self.folder = self.root / "folder"
        self.folder.mkdir(parents=True)
        self.folder.joinpath("a.txt").write_text("inside")
        self.root.joinpath("secret").write_text("outside")

    def content(self, path: object, folder: object = "") -> bytes:
        """The content of a file."""
        opened = open_file(File(str(path), folder=str(folder)))
        found = os.pread(opened.descriptor.fileno(), 100, 0)
        opened.descriptor.close()
        return found


class OpenedTests(OpenedTestCase):
    def test_values(self) -> None:
        """An open file has size, time and media type."""
        path = self.folder / "a.txt"
        os.utime(path, ns=(0, 1_500_000_000_123_456_789))
        opened = open_file(File(path, filename="b", attachment=False, cache_control="private"))
        self.assertEqual((opened.size, opened.modified), (6, 1_500_000_000_123_456_789))
        self.assertEqual(opened.media_type, "text/plain;charset=utf-8")
        self.assertEqual((opened.filename, opened.attachment, opened.cache_control), ("b", False, "private"))
        self.assertEqual(open_file(File(path, media_type="a/b")).media_type, "a/b")

    def test_absent(self) -> None:
        """A path without a file is 404; so is one that cannot be."""
        for path in ("x", "a.txt/x", "x" * 300, "x/" * 3000, "a\0b", "\ud800"):
            self.assertRaises(NotFound, open_file, File(f"{self.folder}/{path}"))
            self.assertRaises(NotFound, open_file, File(path, folder=self.folder))

    def test_loop(self) -> None:
        """Symbolic links that lead to themselves are 404."""
        self.folder.joinpath("loop").symlink_to("loop")
        self.assertRaises(NotFound, open_file, File(self.folder / "loop"))

    def test_not_regular(self) -> None:
        """Folders, FIFOs, devices and sockets are not opened: a FIFO would keep the worker waiting."""
        os.mkfifo(self.folder / "fifo")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(self.folder / "socket"))
        opened: list[Any] = []
        self.patch(os, "open", lambda *arguments: opened.append(arguments))
        for path in (self.folder, self.folder / "fifo", self.folder / "socket", "/dev/null"):
            self.assertRaises(IsADirectoryError, open_file, File(path))
        self.assertEqual(opened, [])

    def test_no_descriptors(self) -> None:
        """Without a file descriptor the reply is 503; other errors are failures."""

        def fail(error: int) -> Any:
            def open_nothing(*arguments: object) -> int:
                raise OSError(error, os.strerror(error))

            return open_nothing

        self.patch(os, "open", fail(errno.EMFILE))
        self.assertRaises(Unavailable, open_file, File(self.folder / "a.txt"))
        self.patch(os, "open", fail(errno.EACCES))
        self.assertRaises(PermissionError, open_file, File(self.folder / "a.txt"))

    def test_closed(self) -> None:
        """A file that is never sent is closed; closing it twice closes no other."""
        opened = open_file(File(self.folder / "a.txt"))
        number = opened.descriptor.fileno()
        del opened
        gc.collect()
        self.assertRaises(OSError, os.fstat, number)
        opened = open_file(File(self.folder / "a.txt"))
        opened.descriptor.close()
        other = os.open(self.folder / "a.txt", os.O_RDONLY)
        self.addCleanup(os.close, other)
        opened.descriptor.close()
        self.assertEqual(os.fstat(other).st_size, 6)
        self.assertEqual(opened.descriptor.fileno(), -1)

    def test_not_inherited(self) -> None:
        """Programs that an action starts do not get the file."""
        opened = open_file(File(self.folder / "a.txt"))
        self.assertFalse(os.get_inheritable(opened.descriptor.fileno()))

    def test_wrong_result(self) -> None:
        """An action that returns something else than it has promised fails."""
        wrong: Any = "a.txt"
        self.assertRaises(TypeError, open_file, wrong)

    def test_header_values(self) -> None:
        """A media type or Cache-Control with a line end is refused when the result is made."""
        for text in ("a/b\r\nX: y", "a\nb", "a\0", "\u20ac"):
            with self.assertRaises(WrongHeader):
                File("x", media_type=text)
            with self.assertRaises(WrongHeader):
                File("x", cache_control=text)


class FolderTests(OpenedTestCase):
    def test_inside(self) -> None:
        """A file in the folder is opened, also through links within it, absolute ones as well."""
        self.folder.joinpath("b").symlink_to("a.txt")
        self.folder.joinpath("c").symlink_to((self.folder / "a.txt").absolute())
        for name in ("a.txt", "b", "c", "../folder/a.txt", "./a.txt"):
            self.assertEqual(self.content(name, self.folder), b"inside", name)

    def test_outside(self) -> None:
        """A path out of the folder is 404: by dots, by a link, or to a folder with a similar name."""
        self.root.joinpath("folder2").mkdir()
        self.root.joinpath("folder2", "x").write_text("outside")
        self.folder.joinpath("link").symlink_to("../secret")
        self.folder.joinpath("up").symlink_to("..")
        secret = self.root.joinpath("secret").absolute()
        for name in (
            ".",
            "../secret",
            str(secret),
            "link",
            "up/secret",
            "../folder2/x",
            "/etc/passwd",
            "x/../../secret",
        ):
            self.assertRaises(NotFound, open_file, File(name, folder=self.folder))

    def test_switched(self) -> None:
        """A folder that is a link to a release is that of the next release when the link is."""
        for name in ("r1", "r2"):
            self.root.joinpath(name).mkdir()
            self.root.joinpath(name, "x").write_text(name)
        current = self.root / "current"
        current.symlink_to("r1")
        folder = Folder(str(current))
        for name in ("r1", "r2"):
            current.unlink()
            current.symlink_to(name)
            descriptor, _ = folder.open("x")
            self.assertEqual(os.pread(descriptor.fileno(), 9, 0).decode(), name)
            self.assertRaises(FileNotFoundError, folder.open, "../secret")
