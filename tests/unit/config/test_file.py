"""The bytes of ``unixsvc.toml``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.loader import load_settings
from unixsvc.errors import ConfigError


class EncodingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a folder for the file."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.path = Path(folder, "unixsvc.toml")

    def test_byte_order_mark(self) -> None:
        """A byte order mark at the beginning, as some editors write it, is skipped."""
        self.path.write_bytes(b'\xef\xbb\xbfsocket_dir = "r\xc3\xbcn"\nservices.home.app = "home:app"\n')
        self.assertEqual(load_settings(self.path).socket_dir, str(self.path.resolve().parent / "rün"))

    def test_other_encodings(self) -> None:
        """Another encoding is an error of one line."""
        for encoding in ("utf-16", "latin-1"):
            self.path.write_text('socket_dir = "rün"\n', encoding)
            error = self.assertRaises(ConfigError, load_settings, self.path)
            self.assertIn("cannot be read: 'utf-8' codec", str(error))

    def test_nul(self) -> None:
        """A NUL character is an error that names the key; only the options of an application may have one."""
        app = 'services.home.app = "unix_app.home:app"\n'
        for text, where in (
            ('socket_dir = "a\\u0000"', "socket_dir"), ('token_file = "\\u0000a"', "token_file"),
            ('log.file = "a\\u0000b"', "log.file"), ('services.home.user = "\\u0000"', "services.home.user"),
            ('http.listen = ["unix:a", "unix:b\\u0000"]', "http.listen"),
            ('services.home.environment = {"A\\u0000" = "x"}', "services.home.environment"),
            ('services.home.environment = {A = "x\\u0000"}', "services.home.environment.A"),
        ):  # fmt: skip
            self.path.write_text(f"{app}{text}\n")
            error = self.assertRaises(ConfigError, load_settings, self.path)
            self.assertEqual(str(error), f"{self.path}: {where}: contains a NUL character; remove it")
        self.path.write_text(app + 'services.home.options = { separator = "\\u0000" }\n')
        self.assertEqual(load_settings(self.path).services["home"].options, {"separator": "\0"})
