"""The examples of the documentation that run services do what the pages say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import ROOT, pages
from tests.examples.page import check_page, is_interactive


class PagesTests(SynchronousTestCase):
    """One test for each page; what it executes is described in ``tests/examples``."""


def _test_of(page: Path) -> Callable[[SynchronousTestCase], None]:
    def test(self: SynchronousTestCase) -> None:
        check_page(page)

    test.__doc__ = f"What {page.relative_to(ROOT)} shows works."
    return test


for _page in pages():
    if is_interactive(_page):
        _name = "_".join(_page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
        setattr(PagesTests, f"test_{_name}", _test_of(_page))
