"""The reverse proxy: Debian's nginx, with the configuration of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.functional.debian_packages import DebianProgram

__all__ = ["Nginx"]

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_SITE: Final = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "unixsvc.conf"
_PACKAGES: Final = ("nginx", "libpcre2-8-0")
_TLS: Final = "ssl http2"
_CERTIFICATE: Final = "/etc/ssl/certs/shop.example.pem"
_KEY: Final = "/etc/ssl/private/shop.example.key"
_SETTINGS: Final = """\
daemon off;
{user}
pid {folder}/pid;
error_log stderr notice;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Nginx:
    """nginx with ``deploy/nginx/unixsvc.conf``, on a port of its own; a context manager that runs it.

    :param upstream: the path of the gateway's socket.
    :param key: a private key for TLS; without it the port has no TLS.
    :param certificate: the certificate of the key.
    :param changes: texts of the configuration, and what replaces them.
    :ivar port: its port on 127.0.0.1.
    :ivar redirects: the path of the socket that stands for port 80.
    :ivar errors: the lines of its log.
    """

    def __init__(
        self,
        upstream: str,
        key: str = "",
        certificate: str = "",
        changes: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="unixsvc-nginx-")
        self._program = DebianProgram("nginx", _PACKAGES, self._folder)
        # Bound, but not listening: the port is free for nginx, and for no other program.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]
        self.redirects = f"{self._folder}/80.sock"
        self.errors: list[str] = []
        self._started = threading.Event()
        tls = f" {_TLS}" if key else ""
        self._write(
            {
                "unix:/run/unixsvc/web.sock": f"unix:{upstream}",
                "listen 80;": f"listen unix:{self.redirects};",
                f"listen 443 {_TLS};": f"listen 127.0.0.1:{self.port}{tls} reuseport;",
                f"ssl_certificate {_CERTIFICATE};": f"ssl_certificate {certificate};" if key else "",
                f"ssl_certificate_key {_KEY};": f"ssl_certificate_key {key};" if key else "",
                **(changes or {}),
            }
        )

    def check(self) -> str:
        """The output of ``nginx -t``."""
        return self._program.run(*self._arguments(), "-t").stderr.decode()

    def __enter__(self) -> Nginx:
        self._process = self._program.start(*self._arguments())
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._started.wait(_TIMEOUT)
        assert self._process.poll() is None, "nginx did not start: " + "".join(self.errors)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_TIMEOUT)
        self._reader.join(_TIMEOUT)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._reserved.close()
        shutil.rmtree(self._folder)

    def _write(self, changes: Mapping[str, str]) -> None:
        site = re.sub(r" *listen \[::\].*\n", "", _SITE.read_text())  # the machine may have no IPv6
        for documented, here in changes.items():
            assert documented in site, documented
            site = site.replace(documented, here)
        user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not connect to the socket
        settings = _SETTINGS.format(folder=self._folder, user=user, site=site)
        Path(self._folder, "nginx.conf").write_text(settings)

    def _arguments(self) -> tuple[str, ...]:
        return ("-p", self._folder, "-c", f"{self._folder}/nginx.conf", "-e", "stderr")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:  # it ends with the process
            self.errors.append(line)
            if "start worker process " in line:
                self._started.set()
        self._started.set()
