"""The reverse proxy: Debian's nginx, with the configuration of the documentation."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.examples.blocks import ROOT

__all__ = ["run_nginx"]

_EXECUTABLE: Final = "/usr/sbin/nginx"
_PAGE: Final = ROOT / "docs" / "how-to" / "http-gateway.rst"
_BLOCK: Final = re.compile(r"^\.\. code-block:: nginx\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_SETTINGS: Final = """\
daemon off;
{user}
pid {folder}/pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""


@contextmanager
def run_nginx(upstream: str) -> Iterator[int]:
    """Run nginx as in the how-to, without TLS; it has ended at the end of the context.

    :param upstream: the path of the gateway's socket.
    :return: its port on 127.0.0.1.
    """
    with TemporaryDirectory(prefix="unixsvc-nginx-") as folder, socket.socket() as reserved:
        # Bound, but not listening: the port is free for nginx, and for no other program.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        Path(folder, "nginx.conf").write_text(_configuration(folder, upstream, port))
        command = [_executable(folder), "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as process:
            try:
                _wait_for_start(process)
                yield port
            finally:
                process.terminate()
                process.communicate()


def _configuration(folder: str, upstream: str, port: int) -> str:
    found = _BLOCK.search(_PAGE.read_text("utf-8"))
    assert found is not None
    site = found[1]
    for documented, here in (
        ("unix:/run/unixsvc/web.sock", f"unix:{upstream}"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} reuseport;"),
    ):
        assert documented in site, documented
        site = site.replace(documented, here)
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not connect to the socket
    return _SETTINGS.format(folder=folder, user=user, site=site)


def _wait_for_start(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:  # it ends with the process
        lines.append(line)
        if "start worker process " in line:
            return
    raise AssertionError("nginx did not start: " + "".join(lines))


def _executable(folder: str) -> str:
    """The program; if it is not installed, from Debian's package. Installing that would start a server."""
    if os.access(_EXECUTABLE, os.X_OK):
        return _EXECUTABLE
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=True)
    subprocess.run(["apt-get", "download", "nginx"], cwd=folder, check=True)
    [package] = Path(folder).glob("nginx_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return folder + _EXECUTABLE
