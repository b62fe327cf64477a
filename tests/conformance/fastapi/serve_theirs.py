"""Serve the application on FastAPI: ``python -m tests.conformance.fastapi.serve_theirs DESCRIPTOR``.

Writes the port to the file descriptor when clients can connect.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from tests.conformance.fastapi.theirs.main import app


def main() -> None:
    """Listen on a free port of the loopback interface."""
    listening = socket.create_server(("127.0.0.1", 0))
    with os.fdopen(int(sys.argv[1]), "w") as descriptor:
        descriptor.write(f"{listening.getsockname()[1]}\n")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
