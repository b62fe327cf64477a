"""Projects that ``unixsvc new`` has created, as type checkers see them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import examples_of, tutorial_pages
from tests.examples.texts import apply_diff
from tests.typing.checkers import Problem, generate_client, mypy, pyright
from unixsvc.cli.scaffold.names import ProjectName
from unixsvc.cli.scaffold.project import create_project, project_files


class ProjectTests(SynchronousTestCase):
    def create(self, name: str, *, http: bool = False) -> Path:
        """Create a project."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()), name)
        create_project(folder, project_files(ProjectName.parse(name, []), http=http, version=""))
        return folder

    def problems(self, folder: Path) -> list[Problem]:
        """What both checkers report, with the configuration of the project."""
        return [*mypy(folder), *pyright(folder)]

    def test_new(self) -> None:
        """A new project has no errors, with and without HTTP."""
        for http in (False, True):
            self.assertEqual(self.problems(self.create("corner-shop", http=http)), [])

    def test_errors_found(self) -> None:
        """A store without a method, and an action with a wrong call, are errors for both."""
        folder = self.create("shop")
        for name, old, new in (
            ("sqlite.py", "def get(self, id: int)", "def got(self, id: int)"),
            ("controllers.py", "self._items.remove(id)", "self._items.remove(str(id))"),
        ):
            path = folder / "shop" / name
            path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        for check in mypy, pyright:
            found = {each.file for each in check(folder)}
            self.assertLessEqual({"shop/container.py", "shop/controllers.py"}, found)

    def test_tutorial(self) -> None:
        """The project at the end of the tutorial has no errors."""
        folder = self.create("shop", http=True)
        for page in tutorial_pages():
            for example in examples_of(page, lambda block: None):
                block = example.parsed
                path = folder / block.caption
                if block.language == "diff":
                    path.write_text(apply_diff(path.read_text("utf-8"), block.source), "utf-8")
                elif block.language == "python" and block.caption:
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(block.source, "utf-8")
        generate_client(folder, "shop:app", "shop", "orders/shop_client.py")
        self.assertEqual(self.problems(folder), [])
