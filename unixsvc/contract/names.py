"""Names of schemas: unique, the same for the same routes, and readable in any alphabet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from unixsvc.domain.validation.type_forms import TypeForm

__all__ = ["unique_name", "unique_names"]

_OTHERS: Final = re.compile(r"[^\w.-]+")  # letters and digits of all alphabets are kept
_Namer: TypeAlias = Callable[[Any], str]


def unique_names(classes: Iterable[TypeForm]) -> dict[TypeForm, str]:
    """Return a name for each class, and for each generic type with its arguments.

    It is the name of the class if no other one has that; else the arguments of a generic type are qualified
    with their modules, and then the class itself. Classes that do not differ there are numbered.

    :param classes: in an order that is always the same.
    """
    names: dict[TypeForm, str] = {}
    groups: list[tuple[int, list[TypeForm]]] = [(0, list(dict.fromkeys(classes)))]
    while groups:
        level, group = groups.pop(0)
        for name, same in _grouped(group, _LEVELS[level]).items():
            distinct = len(_grouped(same, _LEVELS[-1])) > 1
            if len(same) > 1 and distinct and level + 1 < len(_LEVELS):
                groups.append((level + 1, same))
            else:
                for each in same:
                    names[each] = unique_name(name, names.values())
    return names


def unique_name(name: str, taken: Iterable[str]) -> str:
    """Return a name, with a number if it is taken."""
    known, unique, number = set(taken), name, 1
    while unique in known:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _grouped(classes: Iterable[TypeForm], name_of: _Namer) -> Mapping[str, list[TypeForm]]:
    groups: dict[str, list[TypeForm]] = {}
    for each in classes:
        groups.setdefault(name_of(each), []).append(each)
    return groups


def _short(form: Any) -> str:
    return _name(form, _plain, _plain)


def _with_qualified_arguments(form: Any) -> str:
    return _name(form, _plain, _qualified)


def _fully_qualified(form: Any) -> str:
    return _name(form, _qualified, _qualified)


_LEVELS: Final[tuple[_Namer, ...]] = (_short, _with_qualified_arguments, _fully_qualified)


def _name(form: Any, of_class: _Namer, of_argument: _Namer) -> str:
    origin, arguments = get_origin(form), get_args(form)
    if origin is None:
        return _clean(of_class(form))
    if origin is Annotated:
        return _name(arguments[0], of_class, of_argument)
    if origin is Literal:
        return _clean("_".join(map(str, arguments)))
    names = [_name(each, of_argument, of_argument) for each in arguments]
    if origin in (Union, UnionType):
        return "_or_".join(names)
    return _clean("_".join([of_class(origin), *names]))


def _plain(form: Any) -> str:
    return "None" if form is type(None) else str(getattr(form, "__name__", form))


def _qualified(form: Any) -> str:
    if not isinstance(form, type) or form.__module__ == "builtins":
        return _plain(form)
    return f"{form.__module__}.{form.__qualname__}".replace("<locals>.", "")


def _clean(text: str) -> str:
    return text if not _OTHERS.search(text) else _OTHERS.sub("_", text).strip("_") or "Schema"
