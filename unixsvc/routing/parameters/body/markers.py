"""Annotations for parameters from the body."""

from __future__ import annotations

from collections.abc import Sequence

from unixsvc.routing.parameters.marker import Marker

__all__ = ["Body", "Form"]


class Body(Marker):
    """The parameter is the body, or a field of it if there are several.

    ``numbers: Annotated[list[int], Body()]`` is a body that is an array. ``item: Annotated[Item, Body()],
    note: Annotated[str, Body()]`` are the fields ``item`` and ``note`` of a body that is an object.

    :param alias: the name of the field; by default that of the parameter.
    :param embed: true for a field of an object even if there is no other parameter from the body.
    :param description: for the contract.
    :param examples: values for the contract.
    """

    def __init__(
        self,
        alias: str = "",
        *,
        embed: bool = False,
        description: str = "",
        examples: Sequence[object] = (),
    ) -> None:
        super().__init__(alias, description=description, examples=examples)
        self.embed = embed


class Form(Marker):
    """The parameter is a form, or a field of one; over a socket it is from the ``data``.

    ``login: Annotated[Login, Form()]`` is a form with the fields of a struct; ``name: Annotated[str,
    Form()]`` is one field.

    :param alias: the name of the field; by default that of the parameter.
    :param description: for the contract.
    :param examples: values for the contract.
    """
