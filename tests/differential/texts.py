"""Replaces texts for people by a word, so that the structure around them can be compared. Pure."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Final

__all__ = [
    "TEXT",
    "without_colours",
    "without_help",
    "without_html",
    "without_json",
    "without_module",
    "without_stderr",
    "without_table",
]

TEXT: Final = "TEXT"
_KEYS: Final = frozenset({"message", "detail", "title", "description", "summary", "reason"})
_FIRST_LINE: Final = re.compile(r"(unixsvc: )((?:[45]\d\d )?)(.*)")
_FIELD_LINE: Final = re.compile(r"(  (?:[\w\[\].-]+: )?)(.*)")
_USAGE: Final = re.compile(r"^Usage:.*(?:\n {2,}(?!-)\S.*)*", re.MULTILINE)
_OPTION: Final = re.compile(r"^ +(-.*?)(?=  |$)", re.MULTILINE)
_COMMANDS: Final = re.compile(r"^Commands:\n(.*?)(?=\n\S|\Z)", re.MULTILINE | re.DOTALL)
_COMMAND: Final = re.compile(r"^  ([a-z][a-z-]*)(?=\s|$)", re.MULTILINE)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def without_json(data: bytes) -> bytes:
    """JSON with its texts replaced: the strings under the keys of texts; bytes that are not JSON stay."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return json.dumps(_replaced(value), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _replaced(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _replaced(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each) for each in value]
    return TEXT if isinstance(value, str) and key in _KEYS else value


def without_html(data: bytes) -> bytes:
    """HTML with the text between its tags replaced."""
    return re.sub(rb">[^<>]*[^<>\s][^<>]*<", b">TEXT<", data)


def without_stderr(text: str) -> str:
    """The structure of an error output: the number of lines, the code, and the named fields."""
    lines = []
    for line in text.splitlines():
        found = _FIRST_LINE.fullmatch(line)
        if found is not None:
            lines.append(f"{found[1]}{found[2]}{TEXT}")
            continue
        field = _FIELD_LINE.fullmatch(line)
        lines.append(f"{field[1]}{TEXT}" if field else TEXT)
    return "\n".join(lines)


def without_help(text: str) -> str:
    """The structure of a help text: the usage, the options with their values, and the commands."""
    usage = [" ".join(each.split()) for each in _USAGE.findall(text)]
    commands = [each for block in _COMMANDS.findall(text) for each in _COMMAND.findall(block)]
    return "\n".join([*usage, *_OPTION.findall(text), *commands])


def without_colours(text: str) -> str:
    """Text without the colours for a terminal."""
    return _COLOUR.sub("", text).replace("\r\n", "\n")


def without_module(text: str) -> str:
    """A Python module without its docstrings, comments and layout; any other text unchanged."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(node, _DOCUMENTED)
            and ast.get_docstring(node) is not None
        ):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_table(text: str) -> str:
    """A table of routes without its last column, the titles."""
    lines = text.splitlines()
    at = lines[0].find("TITLE") if lines else -1
    return "\n".join(line[:at].rstrip() for line in lines) if at > 0 else text
