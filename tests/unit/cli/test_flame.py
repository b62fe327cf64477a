"""Flame graphs."""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.now.flame import folded, hottest, speedscope, svg

_STACKS = {"main (a.py:1);f <x> (a.py:2)": 0.75, "main (a.py:1);g (a.py:3)": 0.2, "main (a.py:1)": 0.05}
_SVG = "{http://www.w3.org/2000/svg}"


class FlameTests(SynchronousTestCase):
    """One set of stacks in all forms."""

    def test_folded(self) -> None:
        """Folded stacks have whole microseconds."""
        lines = folded(_STACKS).splitlines()
        self.assertEqual(lines[0], "main (a.py:1) 50000")
        self.assertEqual(lines[1], "main (a.py:1);f <x> (a.py:2) 750000")

    def test_speedscope(self) -> None:
        """Each sample is a list of frames, with its weight."""
        found = speedscope(_STACKS, "shop")
        frames = [each["name"] for each in found["shared"]["frames"]]
        [profile] = found["profiles"]
        stacks = {";".join(frames[each] for each in sample) for sample in profile["samples"]}
        self.assertEqual(stacks, set(_STACKS))
        by_stack = {
            len(sample): weight for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
        }
        self.assertEqual((by_stack[1], profile["endValue"]), (0.05, sum(profile["weights"])))

    def test_svg(self) -> None:
        """The image is XML without scripts; bars are as wide as their share, and named by their titles."""
        root = ElementTree.fromstring(svg(_STACKS, "a & b"))  # noqa: S314  # it is our own
        self.assertEqual(root.findall(f".//{_SVG}script"), [])
        bars = {}
        for group in root.iter(f"{_SVG}g"):
            title, rect = group.find(f"{_SVG}title"), group.find(f"{_SVG}rect")
            assert title is not None and title.text is not None and rect is not None
            bars[title.text.partition(": ")[0]] = rect
        self.assertEqual(len(bars), 3)
        widths = {name: float(rect.get("width", "")) for name, rect in bars.items()}
        self.assertAlmostEqual(widths["f <x> (a.py:2)"], 0.75 * 1200 - 0.5, 1)
        self.assertAlmostEqual(float(bars["g (a.py:3)"].get("x", "")), 900, 1)
        self.assertLess(float(bars["main (a.py:1)"].get("y", "")), float(bars["g (a.py:3)"].get("y", "")))
        self.assertIn("f <x> (a.py:2): 0.750 s, 75.0%", "".join(root.itertext()))

    def test_empty(self) -> None:
        """A profile without stacks is an image without bars."""
        self.assertNotIn("<g>", svg({}, "nothing"))

    def test_hottest(self) -> None:
        """Functions are ordered by their own time; a recursive one is counted once."""
        found = hottest({**_STACKS, "main (a.py:1);g (a.py:3);g (a.py:3)": 1.0})
        names = [name.partition(" ")[0] for name, _, _ in found]
        self.assertEqual(names, ["g", "f", "main"])
        self.assertAlmostEqual(found[0][1], 1.2)
        self.assertAlmostEqual(found[0][2], 1.2)
        self.assertEqual(len(hottest(_STACKS, 1)), 1)
