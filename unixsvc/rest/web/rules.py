"""The routes of a service as rules of werkzeug, which Klein matches and ``url_for`` builds URLs from.

Two maps: the routes of the table and the mounts come first; then the application's own pages, with werkzeug's
usual options. The rules of the table are only made when something asks for them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote_to_bytes
from uuid import UUID

from msgspec import Struct
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, BuildError, Map, MapAdapter, RequestRedirect, Rule, RuleFactory

from unixsvc.domain.path_prefix import PathPrefix
from unixsvc.rest.web.endpoint_names import EndpointName, NamedRoute
from unixsvc.routing.pattern import REST, Variable, parse_pattern

__all__ = ["PageMap", "PageRules", "RuleMap", "is_expressible", "is_page"]

# For Map.bind(). It stays in the registry of codecs: the user of a worker may not be able to read it later.
codecs.lookup("idna")

_Adapter = TypeVar("_Adapter", bound=MapAdapter)
# https://url.spec.whatwg.org/#url-path-segment-string, as werkzeug has it
_SAFE: Final = "!$&'()*+,:;=@"
# The names of variables that werkzeug accepts; those of Python may have other letters.
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Numbers of more digits, or with more digits in their exponent, may be too large for a float.
_MAX_NUMBER: Final = 300
_LARGE: Final = re.compile(r"[eE][+-]?[0-9]{3}")
# The arguments with which Klein matches.
_AS_KLEIN: Final = {"return_rule": True}


class _Segment(BaseConverter):
    """A variable of the type ``str``; a slash in its value is escaped, as it would be another segment."""

    regex = "[^/]+"
    part_isolating = True

    def to_url(self, value: Any) -> str:
        return quote(str(value), safe=_SAFE)


class _Int(_Segment):
    regex = "-?[0-9]{1,18}"
    weight = 20

    def to_python(self, value: str) -> int:
        return int(value)


class _Float(_Segment):
    regex = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    weight = 30

    def to_python(self, value: str) -> float:
        return float(value)


class _Uuid(_Segment):
    regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    weight = 10

    def to_python(self, value: str) -> UUID:
        return UUID(value)


class _Path(BaseConverter):
    """The rest of a path, which is not empty."""

    regex = "(?s:.+)"
    weight = 200
    part_isolating = False

    def to_url(self, value: Any) -> str:
        return quote(str(value), safe=_SAFE + "/")


class _Below(_Path):
    """All that follows the prefix of a mount; also nothing, after a slash."""

    regex = "(?s:.*)"
    part_isolating = False  # each class with a regex says so


_CONVERTERS: Final = {
    "str": _Segment, "int": _Int, "float": _Float, "uuid": _Uuid, REST: _Path, "below": _Below,
}  # fmt: skip


class RuleMap(Map):
    """The rules of all routes of a service.

    :param routes: returns those of the table, and the mounts.
    :param register: called with the name of each, before it is matched.
    :ivar pages: the rules of the application's own pages; :meth:`add` adds to them.
    :ivar partial: whether werkzeug cannot express some patterns, so that there are no rules for them.
    """

    partial = False

    def __init__(
        self, routes: Callable[[], Iterable[NamedRoute]], register: Callable[[EndpointName], object]
    ) -> None:
        super().__init__(merge_slashes=False, redirect_defaults=False, converters=_CONVERTERS)
        self.pages = PageMap(self)
        self._routes = routes
        self._register = register
        self._unloaded: dict[str, list[NamedRoute]] | None = None

    def load(self, endpoint: str | None = None) -> None:
        """Make the rules of the table: those of one endpoint, or all.

        A rule takes some 0.5 ms and 7 KiB, so a worker with many routes makes those that ``url_for`` needs.
        """
        if self._unloaded is None:
            self._unloaded = {}
            for route in self._routes():
                self._unloaded.setdefault(route.name, []).append(route)
        for name in [*self._unloaded] if endpoint is None else [endpoint]:
            for route in self._unloaded.pop(name, ()):
                self._register(route.name)
                rules = _rules(route)
                self.partial |= not rules
                for rule in rules:
                    super().add(rule)

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a rule for a page."""
        self.pages.add(rulefactory)

    def iter_rules(self, endpoint: object | None = None) -> Iterator[Rule]:
        """The rules of all routes, or of one endpoint."""
        self.load()
        for rules in (super().iter_rules(), self.pages.iter_rules()):
            yield from (rule for rule in rules if endpoint is None or rule.endpoint == endpoint)

    def is_endpoint_expecting(self, endpoint: object, *arguments: str) -> bool:
        """Whether a rule of the endpoint has all these variables."""
        return any({*arguments} <= rule.arguments for rule in self.iter_rules(endpoint))

    def bind(self, *args: Any, **kwargs: Any) -> MapAdapter:
        """Bind to a host and a prefix; the parameters are those of :class:`werkzeug.routing.Map`."""
        return _rebind(_AllRules, self, super().bind(*args, **kwargs))


class PageMap(Map):
    """The rules of an application's own pages; ``url_for`` knows those of the table as well.

    :param table: the rules of the table.
    :ivar starts: the beginnings of all paths, up to the first variable.
    :ivar found: what :meth:`PageRules.find` has found last; None if it is used up.
    """

    def __init__(self, table: RuleMap) -> None:
        super().__init__()
        self.table = table
        self.starts: tuple[str, ...] = ()
        self.found: _Found | None = None

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a rule, or several."""
        self.found = None
        super().add(rulefactory)
        starts = {_start_of(rule.rule) for rule in rulefactory.get_rules(self)}
        self.starts = tuple(starts.union(self.starts))

    def bind(self, *args: Any, **kwargs: Any) -> PageRules:
        """Bind to a host and a prefix; the parameters are those of :class:`werkzeug.routing.Map`."""
        return _rebind(PageRules, self, super().bind(*args, **kwargs))


class _Found(Struct, frozen=True):
    """The rule of a path and a method, and the values of its variables."""

    path: str
    method: str
    rule: Rule
    values: Mapping[str, Any]


class PageRules(MapAdapter):
    """Matches pages."""

    map: PageMap

    def find(self, path: str, method: str) -> None:
        """Match a path as Klein will do next, which costs a tenth of a small page: it gets the same result.

        :raises HTTPException: if there is no rule for both.
        """
        rule, values = super().match(path, method, return_rule=True)
        self.map.found = _Found(path, method, rule, values)

    # The declared type is an overload; Any fits each.
    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Match; the parameters are those of :class:`werkzeug.routing.MapAdapter`."""
        found, self.map.found = self.map.found, None
        if (
            found is not None
            and (found.path, found.method) == (self.path_info, self.default_method)
            and not args
            and kwargs == _AS_KLEIN
        ):
            return found.rule, found.values
        return super().match(*args, **kwargs)

    def build(self, endpoint: Any, values: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> str:
        """Build a URL; the parameters are those of :class:`werkzeug.routing.MapAdapter`."""
        try:
            return super().build(endpoint, values, *args, **kwargs)
        except BuildError:
            table = self.map.table
            table.load(endpoint)
            return _rebind(MapAdapter, table, self).build(endpoint, values, *args, **kwargs)


class _AllRules(MapAdapter):
    """Matches routes of the table, and then pages.

    :ivar is_page: whether the path that was matched last is that of a page, with any method.
    """

    map: RuleMap
    is_page = False

    # The declared type is an overload; Any fits each.
    def match(self, *args: Any, **kwargs: Any) -> Any:
        self.map.load()
        try:
            return super().match(*args, **kwargs)
        except (NotFound, RequestRedirect):  # a slash too few or too many is another path for the table
            self.is_page = True
        try:
            return _rebind(PageRules, self.map.pages, self).match(*args, **kwargs)
        except NotFound:
            self.is_page = False
            raise

    def build(self, endpoint: Any, *args: Any, **kwargs: Any) -> str:
        return _rebind(PageRules, self.map.pages, self).build(endpoint, *args, **kwargs)


def _start_of(path: str) -> str:
    """The beginning of a path, up to its first variable; a request may lack the slash at the end."""
    start, variable, _ = path.partition("<")
    return start if variable or start == "/" else start.removesuffix("/")


def is_page(adapter: MapAdapter) -> bool:
    """Whether the path that an adapter has matched last is that of a page."""
    return isinstance(adapter, _AllRules) and adapter.is_page


def is_expressible(path: bytes) -> bool:
    """Whether werkzeug can match a path as the table does: as for nearly all.

    Klein decodes it before it splits it, reduces slashes at its beginning to one, and rejects it if it is not
    UTF-8. werkzeug does not try another type when a number is too large.

    :param path: with its percent-escapes.
    """
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    segments = text.split("/")
    if text.startswith("//") or len(segments) != path.count(b"/") + 1:
        return False
    return not any(len(segment) > _MAX_NUMBER or _LARGE.search(segment) for segment in segments)


def _rebind(adapter: type[_Adapter], rules: Map, bound: MapAdapter) -> _Adapter:
    """Another map with the binding of ``bound``."""
    return adapter(
        rules, bound.server_name, bound.script_name, bound.subdomain, bound.url_scheme, bound.path_info,
        bound.default_method, bound.query_args,
    )  # fmt: skip


def _rules(route: NamedRoute) -> list[Rule]:
    """The rules of a route; none if werkzeug cannot express its pattern."""
    if route.method is None:
        prefix = PathPrefix.parse(route.pattern).plain
        paths = [prefix, f"{prefix}/<below:{REST}>"]
        return [] if "<" in prefix else [Rule(path, endpoint=route.name) for path in paths]
    segments = []
    for segment in parse_pattern(route.pattern):
        if isinstance(segment, Variable):
            if _VARIABLE.fullmatch(segment.name) is None:
                return []
            segments.append(f"<{segment.kind}:{segment.name}>")
        elif "<" in segment:
            return []
        else:
            segments.append(segment)
    return [Rule("/" + "/".join(segments), endpoint=route.name, methods=[route.method])]
