"""Keys in what terminals send."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.top.keys import keys_in


class KeysTests(SynchronousTestCase):
    def assertKeys(self, typed: str | bytes, *keys: str) -> None:
        """These keys are in it."""
        raw = typed.encode() if isinstance(typed, str) else typed
        self.assertEqual(list(keys_in(raw)), list(keys))

    def test_characters(self) -> None:
        """Characters are themselves, several at once too, and also those of two bytes."""
        self.assertKeys("q+é ", "q", "+", "é", " ")

    def test_cursor_keys(self) -> None:
        """Cursor keys have the names of their functions, in both modes of terminals, and with Shift."""
        self.assertKeys("\x1b[A\x1b[B\x1b[C\x1b[D", "up", "down", "right", "left")
        self.assertKeys("\x1bOA\x1bOH\x1bOF\x1b[1;2B", "up", "home", "end", "down")
        self.assertKeys("\x1b[5~\x1b[6~\x1b[1~\x1b[4~", "pageup", "pagedown", "home", "end")

    def test_controls(self) -> None:
        """Enter, Backspace and Escape have names, whichever code the terminal has for them."""
        self.assertKeys("\r\n\x7f\x08\x1b", "enter", "enter", "backspace", "backspace", "esc")

    def test_unknown(self) -> None:
        """Other sequences, controls and bytes that are no text are left out."""
        self.assertKeys("\x1b[15~\x1b[Z\x01q", "q")
        self.assertKeys(b"\xff\xc3q", "q")
