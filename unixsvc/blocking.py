"""The client for scripts and threads; it imports neither Twisted nor asyncio.

For instance::

    product = unixsvc.blocking.Client("shop").get("/products/7")

The calling thread itself reads the reply, on a connection of its own. There is no background thread that a
fork could lose, and an interrupt is raised where the program waits.
"""

from __future__ import annotations

from unixsvc.client.blocking.client import Client, Stream

__all__ = ["Client", "Stream"]
