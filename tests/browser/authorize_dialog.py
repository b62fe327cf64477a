"""The dialog "Authorize" of the page ``/docs``, used as a user would (page object)."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import Locator, Page

__all__ = ["AuthorizeDialog"]


class AuthorizeDialog:
    """The dialog of a page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def log_in(self, scheme: str, fields: Mapping[str, str]) -> None:
        """Fill in the form of a scheme, and send it.

        :param scheme: its name.
        :param fields: the values of inputs, by the beginnings of their ids.
        """
        form = self._open(scheme)
        for name, value in fields.items():
            form.locator(f"input[id^='{name}']").fill(value)
        form.locator("button.authorize").click()
        form.locator("button", has_text="Logout").wait_for()
        self._close(form)

    def log_out(self, scheme: str) -> None:
        """Remove what was entered for a scheme."""
        form = self._open(scheme)
        form.locator("button", has_text="Logout").click()
        form.locator("button.authorize").wait_for()
        self._close(form)

    def _open(self, scheme: str) -> Locator:
        self._page.locator(".auth-wrapper .authorize").first.click()
        title = self._page.locator("h4").filter(has_text=scheme)
        return self._page.locator(".dialog-ux .auth-container").filter(has=title)

    @staticmethod
    def _close(form: Locator) -> None:
        form.locator("button.btn-done").click()
        form.wait_for(state="detached")
