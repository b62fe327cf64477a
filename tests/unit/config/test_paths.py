"""Tests of the location of the configuration and of its paths."""

from __future__ import annotations

import os

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.loader import default_socket_dir, load_settings


class LocationTests(ConfigTestCase):
    """The configuration file and the socket directory."""

    def test_named_file(self) -> None:
        """A named file is relative to the current directory; paths in it are relative to its folder."""
        self.write('socket_dir = "run"' + SERVICE, "etc/my.toml")
        settings = load_settings("etc/my.toml", cwd=self.folder)
        self.assertEqual(settings.folder, f"{self.folder}/etc")
        self.assertEqual(settings.socket_dir, f"{self.folder}/etc/run")

    def test_current_directory(self) -> None:
        """Without a name it is the file in the current directory, not in a parent."""
        self.write(SERVICE)
        self.assertEqual(list(load_settings(cwd=self.folder).services), ["home"])
        self.assertEqual(load_settings(cwd=self.folder).source, f"{self.folder}/unixsvc.toml")
        os.mkdir(f"{self.folder}/below")
        self.assertEqual(load_settings(cwd=f"{self.folder}/below").source, "the demo")

    def test_demo(self) -> None:
        """Without a file the demo runs, with its token in the socket directory."""
        self.set_environment("XDG_RUNTIME_DIR", "/run/user/7")
        settings = load_settings(cwd=self.folder)
        self.assertEqual(sorted(settings.services), ["home", "http", "user"])
        self.assertEqual(settings.services["home"].workers, 2)
        self.assertEqual(settings.socket_dir, "/run/user/7/unixsvc")
        self.assertEqual(settings.folder, "/run/user/7/unixsvc")
        self.assertEqual(settings.token_file, "/run/user/7/unixsvc/.auth_token")

    def test_demo_elsewhere(self) -> None:
        """The socket directory of the command line applies to the demo."""
        settings = load_settings(cwd=self.folder, socket_dir="run")
        self.assertEqual(settings.socket_dir, f"{self.folder}/run")
        self.assertEqual(settings.token_file, f"{self.folder}/run/.auth_token")

    def test_override(self) -> None:
        """The socket directory of the command line overrides the file; it is relative to the current one."""
        self.write('socket_dir = "run"' + SERVICE, "etc/unixsvc.toml")
        for given, found in (("other", f"{self.folder}/other"), ("/srv/x", "/srv/x")):
            settings = load_settings("etc/unixsvc.toml", socket_dir=given, cwd=self.folder)
            self.assertEqual(settings.socket_dir, found)
            self.assertEqual(settings.token_file, f"{self.folder}/etc/.auth_token")

    def test_mode_of_directory(self) -> None:
        """Others can enter a new socket directory only if workers run as other users."""
        self.assertEqual(self.load().directory_mode, 0o700)
        self.write(SERVICE + 'user = "nobody"\n')
        self.assertEqual(load_settings(cwd=self.folder).directory_mode, 0o711)

    def test_fallback(self) -> None:
        """Without a configured socket directory, the environment decides."""
        self.set_environment("RUNTIME_DIRECTORY", "/run/shop")
        self.assertEqual(self.load().socket_dir, "/run/shop")

    def test_default_socket_dir(self) -> None:
        """It is systemd's directory, the user's, the system's for root, or one in /tmp by user id."""
        both = {"RUNTIME_DIRECTORY": "/run/shop", "XDG_RUNTIME_DIR": "/run/user/7"}
        self.assertEqual(default_socket_dir(both, 0), "/run/shop")
        self.assertEqual(default_socket_dir(both | {"RUNTIME_DIRECTORY": "/run/a:/run/b"}, 7), "/run/a")
        self.assertEqual(default_socket_dir({"XDG_RUNTIME_DIR": "/run/user/7"}, 0), "/run/user/7/unixsvc")
        self.assertEqual(default_socket_dir({}, 0), "/run/unixsvc")
        empty = {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": ""}
        self.assertEqual(default_socket_dir(empty, 7), "/tmp/unixsvc-7")  # noqa: S108
