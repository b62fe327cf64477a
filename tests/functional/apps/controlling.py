"""An application that tries to control its orchestrator."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

from unixsvc import GET, App

_CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    client.sendall(json.dumps({"method": "POST", "path": "/stop"}).encode() + b"\\n")
    print(client.makefile().readline())
"""
_PATH = "run/service_orchestrator.sock"


def from_worker() -> Any:
    """Ask the orchestrator to stop every service, with the token, from this process."""
    with open(".auth_token") as file:
        token = file.read().strip()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(_PATH)
        request = {"method": "POST", "path": "/stop", "auth_token": token}
        client.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(client.makefile().readline())


def from_child() -> Any:
    """The same from a process that the worker starts."""
    command = [sys.executable, "-c", _CLIENT, os.path.abspath(_PATH)]
    return json.loads(subprocess.check_output(command))


def here() -> str:
    """Show that the worker runs."""
    return "here"


app = App([GET("/worker", from_worker), GET("/child", from_child), GET("/", here)])
