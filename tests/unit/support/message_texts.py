"""Finds the messages of the package: every string of words that is not known to be something else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["OTHER_TEXTS", "MessageText", "message_texts"]


class MessageText(NamedTuple):
    """A text in the source.

    :ivar template: the text, with ``{}`` in the place of each value.
    :ivar place: file and line.
    """

    template: str
    place: str


# Strings of words that are no messages, by the reason.
OTHER_TEXTS: Final[dict[str, frozenset[str]]] = {
    "a part of a message: a place, a name or a number": frozenset(
        {
            "a number",
            "logs as configured",
            "(client certificate)",
            "the action",
            "the class {}",
            "the controller",
            "(set by the caller)",
            "a page",
            "authenticate: the scheme {}",
            "{}: requires",
            "the socket {!r} passed by systemd",
            "0 routes",
            "NEXT IN",
            "a Unix socket",
            "a service of unixsvc: send a message of its protocol, as JSON",
            "another host",
            "all services",
            "directory watch",
            "from user {} (process {})",
            "in {} ({}:{})",
            "group {}",
            "mode {}",
            "page {}",
            "not valid any more",
            "over HTTP",
            "over HTTP from {}",
            "part of Python",
            "service {}",
            "standard input",
            "the demo",
            "the folder {}, which has no __init__.py that this user can read",
            "the environment variable {}",
            "the module {} of Python's standard library",
            "running {}",
            "the parameter {}",
            "the result",
            "the return value",
            "uid {}",
            "unknown (not installed)",
            "valid for {}",
            "{} (uid {})",
            "{} and {} more",
            "{} in {}",
            "every {}",
            "schedule {}",
            "timeout of {}",
            "{} worker",
            "{} workers",
            "{}[{}] (pid {})",
        }
    ),
    "a remedy, which follows a message": frozenset(
        {
            "use {}",
            "use {} or {}",
            "a token is 64 hexadecimal digits (0-9, a-f), as 'openssl rand -hex 32' prints them",
            "Group(prefix, controller, [...])",
            "check the path",
            'mounts={"/path": "service"}',
            "write a route, as GET(path, action)",
            "write {}",
            "write {} = ...",
            "choose a shorter path",
            "return None{}",
            "show the token as Authorization: Bearer TOKEN",
            "send None instead",
            "write ${NAME}, ${NAME:-default}, ${} or ${}, and $$ for a dollar sign",
            "write ${{}:-default}",
        }
    ),
    "the beginning of a message, which is searched for": frozenset(
        {
            "- at `",
            "Can only set",
            "Invalid enum value",
            "Number out of range",
            "cannot load",
            "key` in `",
            "listens on",
            "the new workers cannot start, the old ones stay",
        }
    ),
    "output and help of commands": frozenset(
        {
            "Configuration file [default: ./unixsvc.toml, or the built-in demo]; "
            "several: later ones override.",
            "MEAN ms",
            "P99 ms",
            "Socket directory [default: from the configuration].",
            "documentation: {}/docs",
            "routes = {}",
            "services = {}",
            "unixsvc log",
            'sha256 = "{}"',
            "unixsvc: {}",
            "unixsvc: {}: {}",
            "warning: {}",
        }
    ),
    "the screen of unixsvc top": frozenset(
        {
            "(no route)",
            "Enter, Space",
            "FLY CONN",
            "INKiB/s OUTKiB/s",
            "P50ms P99ms",
            "REQ/s ERR/s",
            "Up Down, k j",
            "_  Enter: keep, Esc: show all",
            "a: all",
            "all processes",
            "any key: back",
            "as configured",
            "bold magenta",
            "bold red",
            "done: {}",
            "ended: {}",
            "every {} s",
            "filter: {}",
            "follow the log of the service; Ctrl-C comes back",
            "how late the event loop is",
            "how often workers were replaced after a failure",
            "level of {}?",
            "log {}, in {}",
            "median and 99th percentile of the time to a reply",
            "nothing to show",
            "one worker more or less",
            "open or close a service; Right opens, Left closes; a: all",
            "pause and go on",
            "q, Ctrl-C",
            "reload or restart the service",
            "replies, and those with a code of 500 or more",
            "requests in flight, and connections",
            "what clients send and receive",
            "scale {} to {} {}",
            "select a row; also PgUp, PgDn, Home, End",
            "set the log level of the service, or after a of all processes",
            "show only what contains a text; Esc: all again",
            "sort by the column to the left or to the right; o: reverse",
            "unixsvc top",
            "y: yes, any other key: no",
            "{} and above",
            "{} errors/s",
            "{} of {} workers ready",
            "{} replies, {} errors",
            "{} requests/s",
            "{} services",
        }
    ),
    "what an event means, in docs and help": frozenset(
        {
            "a reload has begun",
            "a signal has made it drain",
            "a token was made invalid",
            "a worker has stopped to call another service",
            "changed files of a certificate cannot be used",
            "clients can connect to it",
            "every service is ready for the first time",
            "it calls the other service again",
            "it has exited without being asked, or was killed",
            "it is replaced, as it has reached a limit",
            "it was asked to exit, and has done so",
            "new connections get another certificate",
            "a process was started",
            "the new workers serve",
            "the next call decides whether it goes on",
            "the number of workers was set",
            "the orchestrator stops",
            "the reload was rolled back",
            "the service cannot start, or its workers have died too often",
            "the shared token was replaced",
            "the token file has another token",
        }
    ),
    "columns and parts of unixsvc ps, events, profile and memory": frozenset(
        {
            "(other stacks)",
            '<g><title>{}: {}</title><rect x="{}" y="{}" width="{}" height="{}" '
            'fill="hsl({},85%,{}%)"/>{}</g>',
            '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {} {}" '
            'font-family="monospace" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
            '<text x="6" y="20" font-size="14">{}</text>',
            '<text x="{}" y="{}">{}</text>',
            "RSS {}, PSS {}, USS {}",
            "SELF s",
            "TOTAL s",
            "{} KiB",
            "{} MiB",
            "{} s of processor time in {} s of {}",
            "{}; sampling used {} s",
            "(pid {})",
            "WAITS AT",
            "at {}",
            "calls to {}",
            "it received a signal",
            "pid {}",
            "the hook {}",
            "waits at",
            "waits for its reader",
            "{} for too long",
        }
    ),
    "the title of a code, which is listed with the errors": frozenset(
        {"Precondition failed", "Range not satisfiable", "Unsupported media type"}
    ),
    "for programs": frozenset(
        {
            "ApiKey in={}, name={}",
            'Basic realm={}, charset="UTF-8"',
            "Cookie name={}",
            "Path=/; HttpOnly; SameSite={}",
            "{}={}; Max-Age={}{}",
            "Authorization: Bearer {}",
            "Date: {}",
            "IP Address",
            "# EOF",
            "# HELP {} {}",
            "# TYPE {} {}",
            "# UNIT {} {}",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "text/plain; charset=utf-8",
            "text/plain; version=0.0.4; charset=utf-8",
            "GET /-/health HTTP/1.1\r\nHost:\r\nConnection: close\r\n{}",
            "Bearer {}",
            "{} {} HTTP/1.1",
            "from twisted.scripts.twistd import run; run()",
            "import ctypes; ctypes.CDLL(None).prctl(1, {})",
            "value = {}",
            "{}; charset=utf-8",
        }
    ),
    "the description of a parameter in OpenAPI": frozenset(
        {"The id of the last event that was received: the stream continues after it."}
    ),
    "the value of a header": frozenset(
        {
            "Accept-Encoding, {}",
            "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; "
            "frame-ancestors 'self'",
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
            "max-age=31536000, immutable",
        }
    ),
    "the description of a phase": frozenset(
        {
            "the client to close",
            "the client to take a response",
            "the client to take the last response",
            "the first byte",
            "the next request",
            "the next request, which may be on its way, while the worker drains",
            "the response",
            "the rest of a request body",
            "the rest of a request body, for the action that reads it",
            "the rest of a request head",
        }
    ),
}
# These modules generate code, documents and configuration files.
_GENERATORS: Final = ("stubs/", "rest/openapi/", "config/effective.py", "config/schema.py")
# Positional arguments that are no messages: where a problem is, remedies, names, kinds of log messages.
_ARGUMENTS: Final[dict[str, tuple[int, ...]]] = {
    "Attribute": (0,),
    "BacklogFull": (2,),
    "ConfigError": (0, 2),
    "ServiceUnreachable": (0, 2),
    "cast": (0,),
    "check_http": (0,),
    "_service_command": (2,),
    "check_socket_path": (1,),
    "compile": (0,),
    "emit": (0, 1),
    "putheader": (0, 1),
    "setproctitle": (0,),
    "split": (0,),
    "start_order": (1,),
    "unpack": (0,),
}
# Keyword arguments, variables and functions whose strings are no messages.
_NAMES: Final = re.compile(
    r"\w*remedy|\w*_REMEDY|where|help|metavar|title|name|longdesc|opt\w+|__repr__", re.ASCII
)
_WORD: Final = re.compile(r"[A-Za-z]{2}")
_SQL: Final = re.compile(r"(?:DELETE|INSERT|PRAGMA|SELECT)\b")
_FIELD: Final = re.compile(r"\{[a-z_]\w*(?:![rsa])?(?::[^{}]*)?\}")


def message_texts(package: Path) -> Iterator[MessageText]:
    """Find the texts.

    :param package: the folder of the package.
    """
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(_GENERATORS):
            for node in _strings_below(ast.parse(path.read_text("utf-8"))):
                template = _template_of(node).strip(" ;,:\r\n")
                if " " in template and _WORD.search(template) and not _SQL.match(template):
                    yield MessageText(template, f"{name}:{node.lineno}")


def _strings_below(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.expr) and _is_string(node):
        yield node
        if not isinstance(node, ast.JoinedStr):
            return
    for child in _parts_of(node):
        yield from _strings_below(child)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes directly below, without those whose strings are no messages."""
    match node:
        case ast.Expr(value=value) if _is_string(value):  # a docstring
            return
        case ast.JoinedStr(values=values):
            yield from (each.value for each in values if isinstance(each, ast.FormattedValue))
        case ast.keyword(arg=str(name)) | ast.FunctionDef(name=name) if _NAMES.fullmatch(name):
            return
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target) if _NAMES.fullmatch(
            ast.unparse(target)
        ):
            return
        case ast.Call(func=func, args=args, keywords=keywords):
            name = ast.unparse(func).rpartition(".")[2]
            left_out = _ARGUMENTS.get(name, ())
            if name == "emit" and not _is_string(args[0]):  # of Logger, which has no kinds
                left_out = ()
            yield func
            yield from (each for at, each in enumerate(args) if at not in left_out)
            yield from keywords
        case ast.ClassDef(body=body, decorator_list=decorators):  # its keywords are texts of codes
            yield from (*decorators, *body)
        case ast.Subscript(value=value):
            yield value
        case _:
            skipped = {id(part) for name in ("annotation", "returns") if (part := getattr(node, name, None))}
            yield from (each for each in ast.iter_child_nodes(node) if id(each) not in skipped)


def _template_of(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template_of_part, node.values))
    assert isinstance(node, ast.Constant)
    return _FIELD.sub("{}", str(node.value))


def _template_of_part(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=text):
            return str(text)
        case ast.FormattedValue(value=ast.IfExp(body=ast.Constant(value=""), orelse=ast.Constant(value="s"))):
            return "s"
        case _:
            return "{}"
