"""Records the terminal session of the README as a picture: ``python docs/terminal_session.py``.

Two shells run, each in a pseudo-terminal: in one ``unixsvc dev``, in the other its user. What they print
becomes an SVG in which each line appears when it did; a viewer without animation shows all of them.
``--check`` records the session again, and fails if the picture has other lines, numbers aside.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Final, cast

import pexpect
from msgspec import Struct
from rich.console import Console, Group
from rich.panel import Panel
from rich.terminal_theme import MONOKAI
from rich.text import Text

_PICTURE: Final = Path(__file__).parent / "images" / "terminal-session.svg"
_WIDTH: Final = 104  # in characters, borders included
_HEIGHT: Final = 40
_TIMEOUT: Final = 60  # seconds; only reached if something is broken
_PROMPT: Final = "\x1b[1;32m$\x1b[0m "
_PAUSE: Final = 1.0  # before each command, so that a person can follow, in seconds
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LANG")

# What is typed, which shell prints what follows (the log if the first is 0), and what that is.
_START: Final = (
    ("unixsvc new shop --http && cd shop", "created"),
    ("unixsvc dev", r"documentation: http\S+"),
)
_USE: Final = (
    ("unixsvc call shop POST /items name=Pen", '"Pen"', ""),
    (
        'curl -s -H "Authorization: Bearer $(unixsvc token show)" localhost:8080/items/1; echo',
        '"Pen"',
        "",
    ),
    ("unixsvc call shop POST /items name=", "length >= 1", ""),
    ("sed -i 's/no item/there is no item/' shop/items.py", "", "serves after"),
    ("unixsvc call shop /items/7", "there is no item 7", ""),
    ("kill -9 {pid}", "", "is ready"),
    ("unixsvc status", "http .*\n", ""),
)
_STYLE: Final = """<style>
    @keyframes appear { from { opacity: 0 } }
    @media (prefers-reduced-motion: no-preference) { text[style] { animation: appear 0.01s backwards } }
"""


class _Recorder:
    """Keeps what a shell prints, with the times; pexpect writes into it."""

    def __init__(self) -> None:
        self._chunks: list[tuple[float, str]] = []

    def write(self, text: str) -> None:
        """Keep a text."""
        self._chunks.append((time.monotonic(), text))

    def flush(self) -> None:
        """Do nothing; pexpect needs it."""

    def lines(self) -> Iterator[tuple[float, str]]:
        """The lines, each with the time of its end."""
        rest = ""
        for moment, text in self._chunks:
            *whole, rest = (rest + text).split("\n")
            yield from ((moment, line.rstrip("\r")) for line in whole)


class _Session(Struct, frozen=True):
    """What the two shells have printed; the lines have times in seconds since the start."""

    log: list[tuple[float, str]]
    use: list[tuple[float, str]]


def record() -> _Session:
    """Play the session.

    :raises pexpect.TIMEOUT: if something does not happen.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run").mkdir(0o700)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {
            "HOME": folder,
            "PS1": _PROMPT,
            "TERM": "xterm-256color",
            "UNIXSVC_HTTP__LISTEN": '["tcp:0:interface=127.0.0.1"]',
            "XDG_RUNTIME_DIR": f"{folder}/run",
        }
        start = time.monotonic()
        with closing(_shell(folder, environment)) as log:
            for command, printed in _START:
                _type(log, command)
                log.expect(printed)
            port = str(log.after).rpartition(":")[2].removesuffix("/docs")
            Path(folder, ".curlrc").write_text(f'connect-to = "::127.0.0.1:{port}"\n')
            with closing(_shell(f"{folder}/shop", environment)) as use:
                _play(log, use)
                log.sendintr()  # stops the services
                log.expect_exact(_PROMPT)
        names = {f"{folder}/run": "/run/user/1000", f":{port}": ":8080"}
        until_stop = [each for each in _lines(log, start, names) if "stopping" not in each[1]]
        return _Session(until_stop, _lines(use, start, names))


def _shell(folder: str, environment: dict[str, str]) -> pexpect.spawn[str]:
    options = ["--norc", "--noprofile", "--noediting"]
    size = (_HEIGHT, _WIDTH - 4)
    shell = pexpect.spawn(
        "bash", options, cwd=folder, env=environment, dimensions=size, encoding="utf-8", timeout=_TIMEOUT
    )
    shell.logfile_read = _Recorder()
    return shell


def _play(log: pexpect.spawn[str], use: pexpect.spawn[str]) -> None:
    log.expect_exact("\n")
    for command, printed, logged in _USE:
        if "{pid}" in command:
            [pid] = re.findall(r"shop\[1\] \(pid (\d+)\) is ready", _text(log))[-1:]
            command = command.format(pid=pid)
        _type(use, command)
        if printed:
            use.expect(printed)
        if logged:
            log.expect(logged + ".*\n")
    use.expect_exact(_PROMPT)


def _type(shell: pexpect.spawn[str], command: str) -> None:
    shell.expect_exact(_PROMPT)
    time.sleep(_PAUSE)
    shell.sendline(command)


def _text(shell: pexpect.spawn[str]) -> str:
    recorder = cast(_Recorder, shell.logfile_read)
    return "\n".join(line for _, line in recorder.lines())


def _lines(shell: pexpect.spawn[str], start: float, names: dict[str, str]) -> list[tuple[float, str]]:
    recorder = cast(_Recorder, shell.logfile_read)
    found = []
    for moment, line in recorder.lines():
        for name, shown in names.items():
            line = line.replace(name, shown)
        found.append((moment - start, line))
    return found


def draw(session: _Session) -> str:
    """The picture."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
    panels = [
        Panel(Text("\n").join(Text.from_ansi(line, no_wrap=True) for _, line in lines), title=title)
        for title, lines in (("one terminal", session.log), ("another one", session.use))
    ]
    console.print(Group(*panels))
    picture = console.export_svg(title="unixsvc", theme=MONOKAI).replace("<style>\n", _STYLE, 1)
    picture = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)  # pictures load nothing
    moments = [0.0, *(each for each, _ in session.log), 0.0, 0.0, *(each for each, _ in session.use), 0.0]
    for number, moment in enumerate(moments):
        place = f'-line-{number})">'
        picture = picture.replace(place, f'{place[:-1]} style="animation-delay: {moment:.1f}s">')
    return picture


def shown(picture: str) -> list[str]:
    """The lines of a picture in alphabetical order, as two shells print at the same time.

    They are without spaces, since columns have the width of their numbers, and without these.
    """
    lines: dict[str, str] = {}
    for line, text in re.findall(r'-line-(\d+)\)"[^>]*>([^<]*)</text>', picture):
        lines[line] = lines.get(line, "") + unescape(text)
    return sorted(re.sub(r"\d+", "N", re.sub(r"\s+", "", each)) for each in lines.values())


def main() -> int:
    """Record, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if the picture has other lines")
    picture = draw(record())
    if not parser.parse_args().check:
        _PICTURE.write_text(picture)
        return 0
    before, now = shown(_PICTURE.read_text()), shown(picture)
    for mark, lines in (("-", set(before) - set(now)), ("+", set(now) - set(before))):
        sys.stderr.writelines(f"{mark}{line}\n" for line in sorted(lines))
    if before != now:
        sys.stderr.write(f"{_PICTURE} is out of date: run python docs/terminal_session.py\n")
    return int(before != now)


if __name__ == "__main__":
    sys.exit(main())
