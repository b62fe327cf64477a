"""Generate clients in other languages, and use them: ``python -m tests.conformance.run_clients``.

The OpenAPI document is that of ``unixsvc openapi``, before anything has started. TypeScript:
openapi-typescript, openapi-fetch and the compiler from npm. Go, with ``--go``: OpenAPI Generator, which needs
Java, and the compiler. Each client then calls ``twistd unixsvc`` with the demo.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.functional.orchestrator_process import OrchestratorProcess

_SOURCES: Final = Path(__file__).with_name("clients")
_LOCALHOST: Final = "tcp:0:interface=127.0.0.1"
_TIMEOUT: Final = 600.0  # seconds; only reached if something is broken
_TSC: Final = (
    "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
    "--types", "node", "--outDir", "built",
)  # fmt: skip


def main() -> int:
    """Make the clients, and run them against the demo."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--go", action="store_true", help="also with OpenAPI Generator and Go")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        printed = _run(folder, sys.executable, "-m", "unixsvc", "openapi", "--socket-dir", f"{folder}/run")
        Path(folder, "openapi.json").write_text(printed)
        clients = {"TypeScript": _typescript(folder)}
        if wanted.go:
            clients["Go"] = _go(folder)
        running = OrchestratorProcess(folder, "--http", _LOCALHOST, "--socket-dir", str(Path(folder, "run")))
        try:
            base = running.until("listens on http://")["message"].rpartition(" ")[2]
            running.until("ready: ")
            token = Path(folder, "run", ".auth_token").read_text().strip()
            outputs = {name: _run(folder, *client, base, token) for name, client in clients.items()}
        finally:
            running.end()
    failed = [name for name, output in outputs.items() if not _is_right(output)]
    for name, output in outputs.items():
        sys.stdout.write(f"{name}: {'failed' if name in failed else 'fine'}\n{output}\n")
    return 1 if failed else 0


def _is_right(output: str) -> bool:
    """Whether a client has read a user, added one, and seen the error for one that does not exist."""
    first, second, third = output.splitlines()
    return "Zeki" in first and "201" in second and "Grace" in second and "404" in third and "Not" in third


def _typescript(folder: str) -> list[str]:
    """Generate and compile the TypeScript client; returns the command that runs it."""
    for name in ("app.ts", "package.json"):
        shutil.copy(_SOURCES / name, folder)
    _run(folder, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
    _run(folder, "npx", "openapi-typescript", "openapi.json", "-o", "api.ts")
    _run(folder, "npx", "tsc", *_TSC, "app.ts")
    return ["node", "built/app.js"]


def _go(folder: str) -> list[str]:
    """Generate and compile the Go client; returns the command that runs it."""
    _run(
        folder, "openapi-generator-cli", "generate", "--generator-name", "go", "--input-spec", "openapi.json",
        "--output", "api", "--additional-properties", "packageName=api,withGoMod=false",
        # The generated function that makes a User has the name of the struct.
        "--model-name-mappings", "NewUser=UserDraft",
    )  # fmt: skip
    shutil.rmtree(Path(folder, "api", "test"))
    Path(folder, "go.mod").write_text("module example.org\n\ngo 1.19\n")
    shutil.copy(_SOURCES / "main.go", folder)
    _run(folder, "go", "build", "-o", "client", "main.go")
    return ["./client"]


def _run(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
