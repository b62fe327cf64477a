"""The Python files that the pages show, as type checkers see them."""

from __future__ import annotations

import ast
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import CONTINUED, DATABASES, examples_of, pages
from tests.examples.texts import apply_diff
from tests.typing.checkers import Problem, generate_client, mypy, pyright

# Strict mode, except for what Twisted and svcs do not say about themselves.
_SETTINGS: Final = {
    "typeCheckingMode": "strict",
    "reportIncompatibleMethodOverride": False,
    "reportUnknownArgumentType": False,
    "reportUnknownMemberType": False,
    "reportUnknownVariableType": False,
}


def files_of(page: Path) -> dict[str, str]:
    """The Python files of a page in their last state, by name."""
    files: dict[str, str] = {}
    for example in examples_of(page, lambda block: None):
        block = example.parsed
        if block.reason or not block.caption:
            continue
        if block.language == "diff" and block.caption in files:
            files[block.caption] = apply_diff(files[block.caption], block.source)
        elif block.language == "python" and block.caption.endswith(CONTINUED):
            files[block.caption.removesuffix(CONTINUED)] += block.source
        elif block.language == "python" and block.caption.endswith(".py"):
            files[block.caption] = block.source
    return files


def imports_of(source: str) -> set[str]:
    """The names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def checkable(files: dict[str, str]) -> dict[str, str]:
    """The files that import what is installed here, and each other."""
    files = dict(files)
    while True:
        own = {name.removesuffix(".py").replace("/", ".") for name in files} | {"shop_client"}
        packages = {name.partition(".")[0] for name in own}
        missing = {
            name
            for name, source in files.items()
            for module in imports_of(source)
            if not (
                module in own if module.partition(".")[0] in packages else find_spec(module.split(".")[0])
            )
        }
        if not missing:
            return files
        files = {name: source for name, source in files.items() if name not in missing}


class PagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Write the files, for each page into a folder of its own."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.folders: list[Path] = []
        for page in [*pages(), DATABASES]:
            files = checkable(files_of(page))
            for name, source in files.items():
                path = self.folder / page.stem / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(source, "utf-8")
                if path.parent != self.folder / page.stem:
                    (path.parent / "__init__.py").touch()
            if files:
                self.folders.append(self.folder / page.stem)
        generate_client(self.folder / "typed-clients", "shop:app", "shop", "shop_client.py")

    def groups(self) -> list[list[Path]]:
        """The folders; those without modules of the same name together, as each run of mypy takes a while."""
        groups: list[tuple[set[str], list[Path]]] = []
        for folder in self.folders:
            names = {path.stem for path in folder.iterdir()}
            free = [group for group in groups if not names & group[0]]
            others, together = free[0] if free else (set[str](), list[Path]())
            if not free:
                groups.append((others, together))
            others |= names
            together.append(folder)
        return [together for _, together in groups]

    def test_mypy(self) -> None:
        """Strict mode of mypy finds nothing; trial and Twisted have methods without annotations."""
        found: list[Problem] = []
        for folders in self.groups():
            names = [folder.name for folder in folders]
            found += mypy(self.folder, "--strict", "--allow-untyped-calls", *names)
        self.assertEqual(found, [])
        self.assertGreater(len(self.folders), 25)

    def test_pyright(self) -> None:
        """Pyright finds nothing either."""
        environments = [{"root": folder.name} for folder in self.folders]
        self.assertEqual(pyright(self.folder, {**_SETTINGS, "executionEnvironments": environments}), [])
