"""Attacks on files: ranges, conditions and paths that no good client sends."""

from __future__ import annotations

import os
from random import Random
from typing import Final

from tests.unit.rest.files.file_requests import CONTENT, FileTestCase

_HUGE: Final = "9" * 4400
_RANGES: Final = (
    "bytes=" + "0-," * 3000,
    "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 1000, 200)),
    "bytes=" + ",".join(f"0-{at}" for at in range(1300)),
    "bytes=" + ",".join(f"-{at}" for at in range(1, 1300)),
    f"bytes={_HUGE}-{_HUGE}",
    f"bytes=0-{_HUGE}",
    f"bytes=-{_HUGE}",
    "bytes=0-0,-1,0-0,-1",
    "bytes=18446744073709551615-",
    "bytes=-18446744073709551616",
    "bytes=9223372036854775807-9223372036854775808",
    "bytes=0-1;q=1",
    "bytes=\xb2-\xb3",
    "bytes=0--1",
    "bytes==0-1",
    "bytes= ",
    "=,=,=",
    "x" * 15_000,
)
_CONDITIONS: Final = (
    "*", "*, *", '"', '"""', "W/", 'W/"', 'w/"x"', ",,,,", '"x"' * 2000, '"' * 9001, "\xff\xfe", "W/" * 4000,
    "Sun, 06 Nov 1994 08:49:37 GMT" * 100, "Fri, 31 Dec 9999 23:59:60 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Sun, 99 Nov 1994 99:99:99 GMT", "0", "-1", "1e309", _HUGE,
)  # fmt: skip
_CONDITIONAL: Final = ("If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since")
_PATHS: Final = (
    "/..%2f..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/....//....//etc/passwd",
    "/..%c0%af..%c0%afetc/passwd", "/..%252f..%252fetc/passwd", "/%00", "/small%00.png", "/.%00./small",
    "//etc/passwd", "/proc/self/environ", "/..;/..;/etc/passwd", "/%5c..%5c..%5cetc%5cpasswd", "/small/",
    "/small/..", "/small/../../secret", "/./.././secret", "/" + "../" * 2000,
    "/" + "%2e%2e%2f" * 500 + "etc/passwd",
    "/" + "a" * 5000, "/fifo", "/device", "/.hidden", "/loop", "/link",
)  # fmt: skip
_STATUSES: Final = (200, 206, 304, 412, 416)


class AbuseTests(FileTestCase):
    def test_headers(self) -> None:
        """Each value is answered, and no response is much longer than the file."""
        values = [("Range", each) for each in _RANGES]
        values += [(name, each) for name in _CONDITIONAL for each in _CONDITIONS]
        for name, value in values:
            response = self.get(
                "/small", f"{name}: {value}", *(["Range: bytes=0-1"] if name == "If-Range" else [])
            )
            self.assertIn(response.code, _STATUSES, (name, value[:40]))
            self.assertLess(len(response.body), len(CONTENT) + 1000, (name, value[:40]))
        self.assertEqual(self.get("/small").body, CONTENT)

    def test_random_ranges(self) -> None:
        """For any ranges, the response has parts of the file, and not more than it."""
        random = Random(7)  # noqa: S311 # the same ones each time
        for _ in range(300):
            numbers = [
                random.choice(("", str(random.randrange(1100)))) for _ in range(2 * random.randrange(1, 9))
            ]
            text = ",".join(
                f"{first}-{last}" for first, last in zip(numbers[::2], numbers[1::2], strict=True)
            )
            response = self.get("/small", f"Range: bytes={text}")
            self.assertIn(response.code, (200, 206, 416), text)
            if response.code == 206 and "Content-Range" in response.headers:
                start, _, end = response.headers["Content-Range"][6:].partition("/")[0].partition("-")
                self.assertEqual(response.body, CONTENT[int(start) : int(end) + 1], text)
            self.assertLess(len(response.body), len(CONTENT) + 8 * 200, text)

    def test_paths(self) -> None:
        """No path leads out of a folder, to something that is no file, or to an error of the server."""
        self.folder.parent.joinpath("secret").write_text("secret")
        self.folder.joinpath(".hidden").write_text("secret")
        os.mkfifo(self.folder / "fifo")
        self.folder.joinpath("loop").symlink_to("loop")
        self.folder.joinpath("link").symlink_to("../secret")
        self.folder.joinpath("device").symlink_to("/dev/zero")
        for prefix in ("/static", "/named"):
            for path in _PATHS:
                if prefix == "/named" and path == "/.hidden":
                    continue  # the action may name it
                response = self.get(prefix + path)
                self.assertIn(response.code, (400, 404), (prefix, path[:60]))
                self.assertNotIn(b"secret", response.body)
