"""The browser: Debian's Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import BrowserContext, sync_playwright

__all__ = ["run_browser"]

_EXECUTABLE: Final = "/usr/bin/chromium"

_OPTIONS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
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
            executable_path=_EXECUTABLE,
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
