"""Waiting for a change in a directory, in an asyncio program."""

from __future__ import annotations

import asyncio
import contextlib
import os

from unixsvc.client.discovery.inotify import watch

__all__ = ["wait_for_change"]


async def wait_for_change(directory: str, seconds: float) -> None:
    """Wait until an entry of a directory is created, removed, or renamed.

    :param seconds: the longest time to wait. Without inotify, it always waits this long.
    """
    try:
        descriptor = watch(directory)
    except OSError:
        await asyncio.sleep(seconds)
        return
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    loop.add_reader(descriptor, changed.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
