"""Check applications against their OpenAPI documents: ``python -m tests.conformance.run_schemathesis``.

Runs ``twistd unixsvc`` in a folder of its own, validates ``/openapi.json`` with openapi-spec-validator, and
has Schemathesis generate requests from it, invalid ones too, with all of its checks: for the demo, and with
``--every-kind`` for an application with every kind of parameter and result. The requests of the demo are then
sent to two more demos, one of which has Klein dispatch them, and the responses are compared. Exits with 1 if
anything fails, or if fewer requests were made than required.

The seed is fixed, so that a change that breaks nothing does not fail at random. Other requests are made with
``--random-seed``, by hand and whenever routes, parameters or the decoding of requests have changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Final

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.conformance.both_ways import KNOWN, RecordedRequest, differences, read_requests
from tests.functional.orchestrator_process import OrchestratorProcess

_LOCALHOST: Final = "tcp:0:interface=127.0.0.1"
_RECORD: Final = "requests.jsonl"
_EVERY_KIND: Final = """
[http]
boot_timeout = 60
listen = ["tcp:0:interface=127.0.0.1"]
app = "tests.conformance.every_kind.app:app"
environment = {{ PYTHONPATH = "{path}" }}
"""
# Header fields and cookies that the document does not have are ignored, as HTTP demands; they are not errors.
_SCHEMATHESIS: Final = "[generation]\nallow-extra-parameters = false\n"
_METHODS: Final = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
_MOST_PRINTED: Final = 10
_SEED: Final = 1
_TIMEOUT: Final = 1800.0  # seconds; only reached if something is broken


def main() -> int:
    """Run an application and the checks, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=150, help="made up for each operation, at most")
    parser.add_argument("--cases", type=int, default=2000, help="to be made up in all, at least")
    seed = parser.add_mutually_exclusive_group()
    seed.add_argument("--seed", type=int, default=_SEED, help="of the requests that are made up; %(default)s")
    seed.add_argument(
        "--random-seed", action="store_const", const=None, dest="seed", help="another each time"
    )
    parser.add_argument("--every-kind", action="store_true", help="the application with every kind of route")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if wanted.every_kind:
            Path(folder, "unixsvc.toml").write_text(_EVERY_KIND.format(path=Path(__file__).parents[2]))
        running = OrchestratorProcess(folder, "--http", _LOCALHOST, "--socket-dir", str(Path(folder, "run")))
        try:
            base = running.until("listens on http://")["message"].rpartition(" ")[2]
            running.until("ready: ")
            beside = folder if wanted.every_kind else Path(folder, "run")  # the configuration, or the sockets
            token = Path(beside, ".auth_token").read_text().strip()
            operations = _validate(f"{base}/openapi.json")
            stats, code = _run_schemathesis(folder, f"{base}/openapi.json", token, wanted)
        finally:
            running.end()
        requests = read_requests(Path(folder, _RECORD))
    different = 0 if wanted.every_kind else _compare([*requests, *KNOWN])
    return _print_results(operations, stats, code, wanted.cases) or different


def _validate(url: str) -> int:
    """Validate the document; returns the number of operations."""
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - our own server
        document = json.load(response)
    OpenAPIV31SpecValidator(document).validate()
    return sum(len(item.keys() & _METHODS) for item in document["paths"].values())


def _run_schemathesis(
    folder: str, url: str, token: str, wanted: argparse.Namespace
) -> tuple[dict[str, Any], int]:
    """Run Schemathesis in the folder; returns its statistics and its exit code."""
    Path(folder, "schemathesis.toml").write_text(_SCHEMATHESIS)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", url, "--no-color", "--checks", "all",
        # With the relative server of the document, Schemathesis 4.32 takes unknown parameters for errors.
        "--url", url.rpartition("/")[0],
        "--header", f"Authorization: Bearer {token}", "--max-examples", str(wanted.examples),
        "--continue-on-failure", "--report", "json", "--report-json-path", "report.json",
    ]  # fmt: skip
    if wanted.seed is not None:
        command += ["--seed", str(wanted.seed)]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.conformance.hooks",
        "RECORDED_REQUESTS": str(Path(folder, _RECORD)),
    }
    done = subprocess.run(command, cwd=folder, env=environment, timeout=_TIMEOUT, check=False)
    stats: dict[str, Any] = json.loads(Path(folder, "report.json").read_text())
    return stats, done.returncode


def _compare(requests: list[RecordedRequest]) -> int:
    """Compare the responses of both ways; returns the exit code."""
    found = 0
    for each in differences(requests):
        found += 1
        if found <= _MOST_PRINTED:
            sys.stdout.write(f"{each}\n")
    sys.stdout.write(f"{len(requests)} requests both ways, {found} different responses\n")
    return 1 if found else 0


def _print_results(operations: int, stats: dict[str, Any], code: int, least: int) -> int:
    cases = stats["test_cases"]
    made, failed = cases["generated"], cases["with_failures"] + cases["errored"]
    sys.stdout.write(f"{operations} operations, {made} requests, {failed} failures, seed {stats['seed']}\n")
    if stats["operations"] is None or stats["operations"]["tested"] < operations:
        sys.stdout.write("not all operations were asked\n")
        return 1
    if made < least:
        sys.stdout.write(f"fewer than {least} requests\n")
        return 1
    return 1 if failed or code else 0


if __name__ == "__main__":
    sys.exit(main())
