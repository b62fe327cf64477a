"""Checks the prose of the project: ``python docs/style.py [FILE]...``.

Pages are checked by proselint. Pages, docstrings, comments and the messages of the framework are checked for
phrases that hide who does what. Other code is not: code blocks and literals in pages, and names.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT: Final = Path(__file__).resolve().parents[1]
# What is checked if no files are named: all pages, and the Python code below these folders.
CODE: Final = ("bench", "docs", "rest_app", "tests", "twisted", "unix_app", "unixsvc")
# Files whose comments are checked, too.
SETTINGS: Final = ("deploy", "pyproject.toml", "tox.ini")

PHRASES: Final = {
    r"nobody": "say what does not happen: 'no client …'",
    r"whoever|whomever|whosoever": "name the caller, the client, the user",
    r"likewise": "say it, or 'also', 'the same'",
    r"those who": "name them",
    r"that which": "name it",
    r"what is (?:no|asked|told|answered)": "name it: 'a message that is not …'",
    r"such as are": "leave it out",
    r"for good": "'permanently'",
    r"(?<!all )(?<!some )(?<!none )of which (?:is|are|there)": "start another sentence",
    r"(?:some|any)body": "name the client, the user, the process",
    r"(?-i:Who) [^?\n.;]*[.;]": "name the client, the user, the process",
    r"told": "'gets', 'is notified', 'sees'",
    r"(?:is|are|was|were|be|been|being) (?:asked for|heard)": "'is requested', 'is read'",
    r"asks? (?:it|them)sel(?:f|ves)": "'checks its own health'",
    r"what (?:comes|came|has come|goes wrong|stands|stood)": "name it: 'the request', 'the error'",
    r"what (?:it|they) (?:is|are|was|were) (?:asked|given|told)": "name it: 'the argument', 'the request'",
    r"all that (?:is|comes|came|can|there|was)": "'everything', or name it",
    r"(?:for |whenever |give |leave )so (?:many|long|much)": "'a number of', 'this time'",
    r"as it is one|of (?:its|their) own accord|with (?:its|their) own hands": "leave it out",
    r"has to be heard|hears? of|learns? of|learnt": "'sees', 'is notified of'",
    r"(?:com|bring)(?:es?|ing) about|(?:came|brought) about": "'happens', 'causes'",
    r"(?:stand|stands|stood|standing) still": "'is blocked', 'is suspended'",
    r"(?:take|takes|taken|took) back": "'cancels'",
    r"(?:go|goes|going|went|gone) away": "'disconnects', 'exits'",
    r"(?:is|are|was|were) gone": "'has disconnected', 'has exited', 'was removed'",
    r"gave up|given up": "'was cancelled', 'was aborted'",
    r"left alone": "'not changed', 'not touched'",
    r"without a word": "'without a reply', 'without a message'",
    r"in vain": "'without success', 'without effect'",
    r"by chance": "'at random'",
    r"but for": "'except'",
    r"anew": "'again'",
    r"not any ?more": "'no longer'",
    r"one's own|oneself": "'its own', 'your own'",
    r"of one's own": "'of its own', 'your own'",
    r"border: past it": "'error boundary'",
}
_PHRASE: Final = re.compile("|".join(rf"(\b(?:{each})\b)" for each in PHRASES), re.IGNORECASE)

# Quotes and dots are for typesetters; that a figure is "very" anything is not said in these pages anyway.
_CHECKS: Final = {**DEFAULT["checks"], "typography": False}

_BLOCK: Final = re.compile(r"^( *)\.\. (code-block|invisible-code-block|literalinclude|not-run)\b")
_OPTION: Final = re.compile(r"^ +:[a-z-]+:")
# Entries of docs/reference/messages: several messages may begin with the same words.
_MESSAGE: Final = re.compile(r"\.\. message:: | {13}\S")
_LITERAL: Final = re.compile(r"``.+?``|`[^`\n]+`|:[a-z:]+:`[^`]*`", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Check files; print what is wrong with them.

    :param arguments: the files; all if there are none.
    """
    CheckRegistry().register_many(__register__)
    found = 0
    for path in map(Path, arguments or _files()):
        for line, problem in sorted(_problems(path)):
            sys.stdout.write(f"{path}:{line}: {problem}\n")
            found += 1
    return 1 if found else 0


def _files() -> list[str]:
    command = ["git", "ls-files", "*.rst", "*.md", *(f"{each}/*.py" for each in CODE), *SETTINGS]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return [each for each in listed.stdout.splitlines() if "/static/" not in each]


def _problems(path: Path) -> Iterator[tuple[int, str]]:
    text = (ROOT / path).read_text("utf-8")
    is_page = path.suffix in (".md", ".rst")
    if is_page:
        prose = _prose_of_page(text, path.suffix)
    elif path.suffix == ".py":
        prose = _prose_of_code(text, messages=path.parts[0] == "unixsvc")
    else:
        prose = _comments(text)
    for match in _PHRASE.finditer(prose):
        advice = list(PHRASES.values())[(match.lastindex or 1) - 1]
        yield prose.count("\n", 0, match.start()) + 1, f"{match[0]!r}: {advice}"
    if is_page:
        for result in LintFile(str(path), prose).lint({**DEFAULT, "checks": _CHECKS}):
            yield result.pos[0], f"{result.check_result.check_path}: {result.check_result.message}"


def _prose_of_page(text: str, suffix: str) -> str:
    """The text with its code left out, line by line."""
    lines: list[str] = []
    inside = -1  # the indentation of the directive whose block is left out
    fenced = False
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if suffix == ".md":
            fence = line.startswith("```")
            lines.append("" if fence or fenced else line)
            fenced ^= fence
            continue
        if inside >= 0 and line.strip() and indent <= inside:
            inside = -1
        if inside < 0 and (block := _BLOCK.match(line)):
            inside = len(block[1])
        # Columns of a table are no sentence.
        lines.append(
            ""
            if inside >= 0 or _OPTION.match(line) or _MESSAGE.match(line)
            else re.sub(r"(?<=\S)  +", " | ", line)
        )
    return _LITERAL.sub(lambda match: re.sub(r"[^\n]", "@", match[0]), "\n".join(lines))


def _comments(text: str) -> str:
    """The lines of a configuration file that are comments."""
    return "\n".join(line if line.startswith("#") else "" for line in text.splitlines())


def _prose_of_code(text: str, *, messages: bool) -> str:
    """The docstrings and comments, and with ``messages`` strings of words, at the lines where they are."""
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string
    for node in ast.walk(ast.parse(text)):
        if messages and isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            lines[node.lineno - 1] += " " + " ".join(node.value.split())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and ast.get_docstring(node)
            ):
                lines[first.lineno - 1 : first.end_lineno] = str(first.value.value).splitlines()
    return _LITERAL.sub("@", "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
