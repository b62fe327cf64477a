"""The source of a parameter that is text: a single one, or a model."""

from __future__ import annotations

from unixsvc.domain.validation.pydantic_models import is_model
from unixsvc.domain.validation.type_forms import TypeForm, bare, is_object
from unixsvc.routing.parameters.interfaces import ParameterSource
from unixsvc.routing.parameters.marker import Marker
from unixsvc.routing.parameters.texts import TextSource

__all__ = ["text_source"]


def text_source(
    make: type[TextSource], name: str, marker: Marker, hint: TypeForm, default: object, where: str
) -> ParameterSource:
    """Return the source of a parameter: of one text, or of a model of which each field is one.

    :param make: the class for one text.
    :raises ConfigError: for a type that no text can have.
    """
    if not (is_object(hint) or is_model(bare(hint))):
        return make(name, marker, hint, default, where)
    from unixsvc.routing.parameters.models import ModelSource  # few applications have one

    return ModelSource(make, name, marker, hint, default, where)
