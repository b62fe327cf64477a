"""The pages of the documentation in a browser with the width of a phone."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import run_browser

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT = 360, 740  # pixels, of a small phone
TEXT: Final = 15  # pixels, the least size of text
TOUCH: Final = 24  # pixels, the least height of a link in a menu: success criterion 2.5.8 of WCAG 2.2

# The width of the page; text that is cut off at its edge, unless a part with a scroll bar of its own has it;
# and text that is too small. The two menus are beside the page until they are opened.
_MEASURE: Final = """least => {
    const page = document.documentElement
    const canScroll = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX)
    const scrolls = element => element !== null && (canScroll(element) || scrolls(element.parentElement))
    const hasText = element => [...element.childNodes].some(
        each => each.nodeType === Node.TEXT_NODE && each.textContent.trim() !== "")
    const cut = [], small = []
    for (const element of document.querySelectorAll("body *")) {
        const isInMenu = element.closest(".sidebar-drawer, .toc-drawer") !== null
        if (isInMenu || !element.checkVisibility() || !hasText(element)) continue
        const name = `${element.tagName}.${element.className}: ${element.textContent.slice(0, 60)}`
        const isCut = element.getBoundingClientRect().right > page.clientWidth + 1
        if (isCut && !scrolls(element.parentElement)) cut.push(name)
        if (parseFloat(getComputedStyle(element).fontSize) < least) small.push(name)
    }
    return {width: page.scrollWidth, cut: cut.slice(0, 5), small: small.slice(0, 5)}
}"""
_IS_OPEN: Final = """menu => {
    const place = document.querySelector(menu).getBoundingClientRect()
    return place.left >= 0 && place.right <= innerWidth
}"""
_LINKS: Final = """links => links.map(
    each => [each.getBoundingClientRect().height, parseFloat(getComputedStyle(each).fontSize)])"""


class PhoneTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Build the pages, unless that is done, and start a browser."""
        self.pages = build_pages()
        self.page = self.enterContext(run_browser(WIDTH, HEIGHT)).new_page()

    def test_pages(self) -> None:
        """No page scrolls sideways, and no text is cut off at its edge or small."""
        self.assertGreater(len(self.pages), 50)
        problems: dict[str, Any] = {}
        for path in self.pages:
            self.page.goto(path.as_uri())
            found = self.page.evaluate(_MEASURE, TEXT)
            if found != {"width": WIDTH, "cut": [], "small": []}:
                problems[path.name] = found
        self.assertEqual({}, problems)

    def test_menus(self) -> None:
        """The menus of all pages and of the page open at a touch; a finger can touch a single link there."""
        [page] = [each for each in self.pages if each.match("reference/configuration.html")]
        for button, menu in (("__navigation", ".sidebar-drawer"), ("__toc", ".toc-drawer")):
            self.page.goto(page.as_uri())
            self.page.locator(f".mobile-header label[for={button}]").click()
            self.page.wait_for_function(_IS_OPEN, arg=menu)
            links = self.page.locator(f"{menu} a.reference:visible").evaluate_all(_LINKS)
            self.assertGreater(len(links), 3)
            for height, size in links:
                self.assertGreaterEqual(height, TOUCH)
                self.assertGreaterEqual(size, TEXT)


@cache
def build_pages() -> list[Path]:
    """Build the pages in the folder of the test run."""
    folder = Path("pages").absolute()
    command = [sys.executable, "-m", "sphinx", "-q", "-d", f"{folder}/doctrees", str(DOCS), f"{folder}/html"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True)
    return sorted((folder / "html").rglob("*.html"))
