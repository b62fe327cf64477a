"""Writes the manual pages and the completion scripts of ``unixsvc`` from its commands.

``--check`` writes nothing, and fails if the written ones are out of date.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from click.shell_completion import get_completion_class
from click_man.core import write_man_pages

from unixsvc.cli.command import unixsvc

DEPLOY: Final = Path(__file__).resolve().parents[1] / "deploy"
# Where each shell looks for completions, below share/.
COMPLETIONS: Final = {"bash": "unixsvc", "zsh": "_unixsvc", "fish": "unixsvc.fish"}


def write(target: Path) -> None:
    """Write all files below a folder.

    The pages have no date: it would change with each build, and the version says as much.
    """
    for name in ("man", *(f"completion/{shell}" for shell in COMPLETIONS)):
        target.joinpath(name).mkdir(parents=True, exist_ok=True)
    write_man_pages("unixsvc", unixsvc, version="unixsvc", target_dir=str(target / "man"), date=" ")
    for shell, name in COMPLETIONS.items():
        make = get_completion_class(shell)
        if make is None:
            raise SystemExit(f"click has no completion for {shell}")
        script = make(unixsvc, {}, "unixsvc", "_UNIXSVC_COMPLETE").source()
        target.joinpath("completion", shell, name).write_text(script.strip() + "\n")


def contents(folder: Path) -> dict[str, bytes]:
    """The files that this script writes, by their path."""
    found = [*folder.glob("man/*"), *folder.glob("completion/*/*")]
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def main() -> int:
    """Write or check the files; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        if "--check" in sys.argv:
            old, new = contents(DEPLOY), contents(Path(name))
            changed = sorted(each for each in old.keys() | new.keys() if old.get(each) != new.get(each))
            for each in changed:
                sys.stderr.write(f"deploy/{each}: out of date; run: python docs/man_pages.py\n")
            return bool(changed)
        for path in contents(DEPLOY):
            DEPLOY.joinpath(path).unlink()
        write(DEPLOY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
