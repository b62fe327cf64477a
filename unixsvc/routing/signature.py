"""The signature of an action: the source of each parameter, determined when the route table is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Final, get_type_hints

import svcs
from msgspec import Struct

from unixsvc.contract.schemas import UnsupportedType, require_json_types, wrong_field
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.type_forms import TypeForm, members_of, unnamed
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.body.plan import BodyPlan, plan_body, struct_of
from unixsvc.routing.parameters.interfaces import REQUIRED, ParameterSource
from unixsvc.routing.parameters.lookup import find_sources
from unixsvc.routing.parameters.marker import Marker, find_markers
from unixsvc.routing.pattern import PATH_TYPES, Variable
from unixsvc.routing.results.annotation import ResultType, read_result
from unixsvc.routing.route import Action

__all__ = ["Signature", "is_plain", "read_signature", "resolve_hints"]

_FORMS: Final = (BodyKind.TEXT_FORM, BodyKind.FORM)
_WRONG_META: Final = "Can only set "  # the start of msgspec's text


class Signature(Struct, frozen=True):
    """The source of each parameter of an action.

    :ivar path: the types of the parameters from path variables, by name, in the order of the pattern.
    :ivar refined: the names of those whose type is narrower than the type in the pattern.
    :ivar data: the type into which ``data`` is decoded; None if the action takes no data.
    :ivar whole: the name of the parameter that takes the data; empty if its fields are parameters.
    :ivar request: the name of the parameter that takes the request; empty if there is none.
    :ivar container: the name of the parameter that takes a container; empty if there is none.
    :ivar result: the type of the result.
    :ivar sources: where all other parameters come from, by name.
    :ivar takes: the form in which ``data`` arrives.
    :ivar default: of ``whole``, if there may be no data; else ``REQUIRED``.
    """

    path: dict[str, TypeForm]
    refined: tuple[str, ...]
    data: TypeForm | None
    whole: str
    request: str
    container: str
    result: ResultType
    sources: Mapping[str, ParameterSource] = {}
    takes: BodyKind = BodyKind.OBJECT
    default: object = REQUIRED

    @property
    def body(self) -> BodyKind:
        """The form in which the action takes the body."""
        kinds = [source.body for source in self.sources.values() if source.body is not None]
        return kinds[0] if kinds else self.takes

    @property
    def apart(self) -> bool:
        """Whether a form and the query are two things to the action."""
        places = [each.place for source in self.sources.values() for each in source.descriptions]
        return self.body in _FORMS or "query" in places


def read_signature(action: Action, variables: Mapping[str, Variable], where: str) -> Signature:
    """Determine the sources of an action's parameters.

    :param action: as it will be called: a bound method if there is a controller.
    :param variables: the variables of the route's pattern.
    :param where: the route, for error messages.
    :raises ConfigError: if the action can never be called.
    """
    hints = resolve_hints(getattr(action, "__func__", action), where)
    parameters = inspect.signature(action).parameters
    _require_names(parameters, hints, variables, where)
    _require_unmarked({name: hints[name] for name in variables}, where)
    others = [name for name in parameters if name not in variables]
    defaults = {name: parameters[name].default for name in others}
    sources = find_sources({name: hints[name] for name in others}, defaults, where)
    others = [name for name in others if name not in sources]
    request = _only(others, hints, lambda hint: hint is Request, where)
    container = _only(others, hints, lambda hint: hint is svcs.Container, where)
    plan = plan_body(
        {name: hints[name] for name in others if name not in (request, container)}, defaults, where
    )
    whole = plan.whole
    _require_one_body(sources, plan, where)
    data = plan.types[whole] if whole else struct_of(plan, defaults, where)
    result = read_result(action, hints["return"], where)
    named = {**{name: hints[name] for name in variables}, **plan.types}
    types = [*(hints[name] for name in variables), data, result.value]
    _require_json_types(types, named, result.value, where)
    path = {name: _path_annotation(variable, hints[name], where) for name, variable in variables.items()}
    refined = tuple(name for name, each in variables.items() if _is_refined(path[name], each))
    return Signature(path, refined, data, whole, request, container, result, sources, plan.kind, plan.default)


def is_plain(signature: Signature, action: Action) -> bool:
    """Return whether an action can be called with the values of the path variables as positional arguments.

    :param action: as it will be called. Decorators may accept keyword arguments only.
    """
    known = inspect.isfunction(getattr(action, "__func__", action))
    if not known or hasattr(action, "__wrapped__") or hasattr(action, "__signature__"):
        return False
    parameters = inspect.signature(action).parameters
    positional = all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters.values())
    return positional and list(parameters) == list(signature.path) and not signature.refined


def resolve_hints(function: Callable[..., object], where: str) -> dict[str, TypeForm]:
    """Return the annotations of a function.

    :param where: for error messages.
    :raises ConfigError: if an annotation cannot be resolved.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigError(
            where,
            f"an annotation cannot be resolved: {error}",
            "import it at run time, not for type checkers only",
        ) from None


def _require_names(
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, TypeForm],
    variables: Mapping[str, Variable],
    where: str,
) -> None:
    """Require that each parameter has an annotation and a name, and each variable a parameter."""
    for name, parameter in parameters.items():
        if name == "self" and name not in hints:
            raise ConfigError(where, "the action is a method", "put the route into a Group with its class")
        if isinstance(parameter.default, Marker):
            marker = type(parameter.default).__name__
            problem = f"the default of {name!r} is {marker}(...)"
            raise ConfigError(
                where, problem, f"write it in the annotation: {name}: Annotated[..., {marker}()]"
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(
                where, f"the parameter {name!r} cannot be passed by name", "make it a named parameter"
            )
    for name in [*parameters, "return"]:
        if name not in hints:
            what = "the return value" if name == "return" else f"the parameter {name!r}"
            raise ConfigError(where, f"{what} has no annotation")
    for name in variables:
        if name not in parameters:
            raise ConfigError(where, f"the action has no parameter for the path variable {name!r}")


def _require_unmarked(hints: Mapping[str, TypeForm], where: str) -> None:
    """Require that no path variable is said to come from somewhere else."""
    for name, marker in find_markers(Marker, hints, where).items():
        problem = f"{name!r} is a path variable, and has {marker!r}"
        raise ConfigError(where, problem, "give one of them another name")


def _require_one_body(sources: Mapping[str, ParameterSource], plan: BodyPlan, where: str) -> None:
    """Require that all parameters from the body can have it in the same form."""
    kinds = {name: source.body for name, source in sources.items() if source.body is not None}
    if BodyKind.FORM in kinds.values() and not (plan.whole and plan.kind is BodyKind.OBJECT):
        kinds |= {name: BodyKind.FORM for name in plan.types if plan.kind in (BodyKind.OBJECT, *_FORMS)}
    kinds = dict.fromkeys(plan.types, plan.kind) | kinds
    if len(set(kinds.values())) > 1:
        first, second = list(kinds)[:2]
        problem = f"the parameters {first!r} and {second!r} take the body in two forms"
        raise ConfigError(where, problem, "remove one of them")


def _only(
    names: list[str], hints: Mapping[str, TypeForm], test: Callable[[TypeForm], bool], where: str
) -> str:
    found = [name for name in names if test(hints[name])]
    if len(found) > 1:
        raise ConfigError(
            where,
            f"the parameters {found[0]!r} and {found[1]!r} would have the same value",
            "remove one of them",
        )
    return found[0] if found else ""


def _path_annotation(variable: Variable, hint: TypeForm, where: str) -> TypeForm:
    if not any(map(PATH_TYPES[variable.kind].can_become, members_of(hint))):
        annotated = getattr(hint, "__name__", hint)
        problem = f"{variable.name!r} is {variable.kind} in the path, {annotated} in the action"
        raise ConfigError(where, problem)
    return hint


def _is_refined(hint: TypeForm, variable: Variable) -> bool:
    """Return whether the values of a variable have to be converted or checked."""
    return unnamed(hint) is not PATH_TYPES[variable.kind].type


def _require_json_types(
    types: Sequence[TypeForm], parameters: Mapping[str, TypeForm], returns: TypeForm, where: str
) -> None:
    """Require that the types of an action have schemas that are JSON.

    :param types: all of them; None is a type as well.
    :param parameters: those of the parameters, which are looked at one by one only to name the wrong one.
    """
    try:
        require_json_types(types)
    except (TypeError, NameError) as error:
        for name, hint in parameters.items():
            _require_json_type(hint, name, f"the parameter {name!r} cannot be decoded from JSON", where)
        _require_json_type(returns, "the result", "the result cannot become JSON", where)
        raise ConfigError(where, str(error)) from None


def _require_json_type(hint: TypeForm, name: str, problem: str, where: str) -> None:
    try:
        require_json_types([hint])
    except UnsupportedType as error:
        remedy = "use a Struct, a dataclass, a TypedDict, an enum or a built-in type"
        raise ConfigError(where, f"{problem}: {error}", remedy) from None
    except (TypeError, NameError) as error:
        field = wrong_field(hint)
        if str(error).startswith(_WRONG_META):
            meta = f"the Meta of {field or name} does not fit its type: {error}"
            raise ConfigError(where, meta, "use a Check instead") from None
        raise ConfigError(where, f"{problem}: {field}: {error}" if field else f"{problem}: {error}") from None
