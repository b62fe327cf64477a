"""The methods of the generated client class."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from unixsvc.contract.model import Contract, RouteContract
from unixsvc.stubs.arguments import Argument, meta_lines, parameter_arguments, with_query
from unixsvc.stubs.python_types import PythonType, mapping, sequence
from unixsvc.stubs.structs import remarks
from unixsvc.stubs.text import Namer, docstring, formatted, identifier, literal, one_line
from unixsvc.stubs.types import RESERVED, TypeMapper
from unixsvc.stubs.usage import argument_schema

__all__ = ["method_name", "write_method"]

_VARIABLE: Final = re.compile(r"\{(?P<name>[^{}:]+)(?::(?P<kind>[^{}]*))?\}")
_TIMEOUT: Final = "timeout: float | None = None"


def method_name(route: RouteContract) -> str:
    """Return the name of a method: HTTP method and path segments, with ``by_`` for variables."""
    words = [route.method.lower()]
    for segment in filter(None, route.path.split("/")):
        variable = _VARIABLE.fullmatch(segment)
        words.append(f"by_{variable['name']}" if variable else segment)
    words += ["root"] if len(words) == 1 else []
    return identifier("_".join(re.sub(r"\W+", "_", word).strip("_") for word in words))


def write_method(types: TypeMapper, contract: Contract, route: RouteContract, name: str) -> list[str]:
    """Return the lines of a method.

    :param name: the unique name.
    """
    namer = Namer({*RESERVED, *types.classes.values(), *types.choices.values(), "self", "timeout"})
    variables = _variables(types, route, namer)
    whole, fields = _data_arguments(types, contract, route, namer)
    others = parameter_arguments(types, route, namer)
    result = types.kind(route.result)
    returns = f"AsyncIterator[{result.text}]" if route.stream else result.text
    signature = ["self"]
    for each in [*variables.values(), *whole]:
        signature += each.declaration
    signature.append("*")
    for each in [*fields, *others]:
        signature += each.declaration
    explanations = [each.explanation for each in [*variables.values(), *whole, *fields, *others]]
    keyword = "def" if route.stream else "async def"
    return [
        *(f"    {each}" for each in remarks(result, "result: ")),
        *formatted(f"{keyword} {name}(", [*signature, _TIMEOUT], f") -> {returns}:", 1),
        *docstring([*_paragraphs(route), "\n".join(filter(None, explanations))], 2),
        *_body(
            route, with_query(_path(route.path, variables), others), [*whole, *fields, *others], result, namer
        ),
    ]


def _variables(types: TypeMapper, route: RouteContract, namer: Namer) -> dict[str, Argument]:
    arguments = {}
    for segment in route.path.split("/"):
        variable = _VARIABLE.fullmatch(segment)
        if variable and variable["name"] not in arguments:
            name = variable["name"]
            schema = route.path_arguments.get(name, {"type": "string"})
            python = namer.variable(identifier(name))
            arguments[name] = Argument(name, python, types.kind(schema), mapping(schema))
    return arguments


def _data_arguments(
    types: TypeMapper, contract: Contract, route: RouteContract, namer: Namer
) -> tuple[list[Argument], list[Argument]]:
    """Return the argument for the whole data, or those for its fields."""
    if route.data is None:
        return [], []
    schema = argument_schema(contract, route)
    if schema is None:
        needed = route.body is None or route.body.required
        python, kind = namer.variable("data"), types.kind(route.data)
        return [Argument("data", python, kind, mapping(route.data), needed, "whole")], []
    required = sequence(schema.get("required"))
    fields = [
        Argument(
            name, namer.variable(identifier(name)), types.kind(each), mapping(each), required=name in required
        )
        for name, each in mapping(schema["properties"]).items()
    ]
    return [], fields


def _paragraphs(route: RouteContract) -> list[str]:
    title = one_line(route.title)
    title += "" if not title or title.endswith((".", "!", "?")) else "."
    request = f"``{one_line(route.method)} {one_line(route.path)}``."
    return [title, request, route.description]


def _body(
    route: RouteContract, path: str, given: list[Argument], result: PythonType, namer: Namer
) -> list[str]:
    whole = [each for each in given if each.place == "whole"]
    fields = [each for each in given if not each.place]
    lines, meta = meta_lines(given, namer)
    arguments = [literal(route.method), path, *map(_whole_value, whole)]
    if fields:
        data = namer.variable("data")
        items = [f"{literal(each.name)}: {each.python}" for each in fields]
        lines += formatted(f"{data}: dict[str, Any] = {{", items, "}", 2)
        arguments.append(data if all(each.required for each in fields) else f"_given({data})")
    arguments += [f"meta={meta}"] if meta else []
    arguments.append("timeout=timeout")
    arguments += [] if result.text == "Any" else [f"type={result.text}"]
    if route.stream:
        return lines + formatted("return self._client.stream(", arguments, ")", 2)
    call = "await self._client.call("
    if result.text == "None":
        return lines + formatted(call, arguments, ")", 2)
    if result.text == "Any":
        return lines + formatted(f"return {call}", arguments, ")", 2)
    variable = namer.variable("result")
    lines += formatted(f"{variable}: {result.text} = {call}", arguments, ")", 2)
    return [*lines, f"        return {variable}"]


def _whole_value(argument: Argument) -> str:
    """Return the expression for the whole data; None stands for no data."""
    return (
        argument.python if argument.required else f"None if {argument.python} is UNSET else {argument.python}"
    )


def _path(pattern: str, variables: dict[str, Argument]) -> str:
    """Return the path as a literal: a string, or an f-string with the variables."""
    parts = []
    for segment in pattern.split("/"):
        variable = _VARIABLE.fullmatch(segment)
        if variable is None:
            parts.append(quote(segment, safe="!$&()*+,;=:@~"))
        else:
            more = ", safe='/'" if variable["kind"] == "path" else ""
            parts.append(f"{{_quoted({variables[variable['name']].python}{more})}}")
    text = "/".join(parts)
    return f'{"f" if variables else ""}"{text}"'
