"""The browser: Debian's Chromium. ``python -m tests.browser.chromium`` installs it if it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import BrowserContext, sync_playwright

__all__ = ["EXECUTABLE", "install", "run_browser"]

EXECUTABLE: Final = "/usr/bin/chromium"

_OPTIONS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_INSTALL: Final = (
    ("apt-get", "update"),
    ("apt-get", "install", "-y", "--no-install-recommends", "chromium"),
)


@contextmanager
def run_browser(width: int = 1280, height: int = 900, names: Sequence[str] = ()) -> Iterator[BrowserContext]:
    """A headless browser with an empty profile, which is removed at the end.

    :param width: of its pages, in pixels.
    :param height: of its pages, in pixels.
    :param names: host names that lead to 127.0.0.1. No other is resolved, whatever a page requests.
    """
    rules = [*(f"MAP {name} 127.0.0.1" for name in names), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]
    options = [*_OPTIONS, f"--host-resolver-rules={', '.join(rules)}"]
    if os.geteuid() == 0:  # Chromium's sandbox does not work as root
        options.append("--no-sandbox")
    with TemporaryDirectory(prefix="unixsvc-browser-") as home, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            os.path.join(home, "profile"),
            executable_path=EXECUTABLE,
            headless=True,
            chromium_sandbox=os.geteuid() != 0,
            args=options,
            env={**os.environ, "HOME": home},
            viewport={"width": width, "height": height},
        )
        try:
            yield context
        finally:
            context.close()


def install() -> int:
    """Install the browser from Debian's packages if it is missing.

    :return: 0, or 1 if that failed; standard error then has instructions.
    """
    if os.access(EXECUTABLE, os.X_OK):
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return _failed("only root can install it, and only where there is apt-get")
    for command in _INSTALL:
        done = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
        if done.returncode != 0:
            return _failed(f"{' '.join(command)} ended with {done.returncode}")
    return 0 if os.access(EXECUTABLE, os.X_OK) else _failed("the package has no such file")


def _failed(why: str) -> int:
    sys.stderr.write(f"{EXECUTABLE} is not there ({why}). Install Debian's package chromium.\n")
    return 1


if __name__ == "__main__":
    sys.exit(install())
