"""Parameters that are files of a form of the type ``multipart/form-data``."""

from __future__ import annotations

import copy
import sys
from collections.abc import Awaitable, Mapping
from typing import Annotated, Final, get_args, get_origin

from msgspec import Meta
from msgspec.structs import force_setattr

from unixsvc.domain.body_spec import HTTP_ONLY, BodyKind
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.message import Request
from unixsvc.domain.uploads.upload_file import UploadFile
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm, bare, members_of, unnamed
from unixsvc.errors import ConfigError, Malformed
from unixsvc.routing.parameters.interfaces import REQUIRED, ParameterDescription, ParameterSource

__all__ = ["FileKind", "FormReceiver"]

_NONE: Final = type(None)


class _FileSource:
    """Finds the files of one field in the form, which has been received.

    :param name: of the field.
    :param hint: the annotation.
    :param default: ``REQUIRED`` if there is none.
    """

    body: BodyKind | None = BodyKind.FORM

    def __init__(self, name: str, hint: TypeForm, default: object) -> None:
        self.name: Final = name
        self.many: Final = any(get_origin(each) is list for each in members_of(hint))
        if default is REQUIRED and _NONE in members_of(hint):
            default = None
        self._default = default
        metas = [each for each in _metadata(hint) if isinstance(each, Meta)]
        self._least = max((each.min_length or 0 for each in metas), default=0)
        self.most: Final = min((each.max_length or sys.maxsize for each in metas), default=sys.maxsize)
        description = next((each.description for each in metas if each.description), "")
        self.descriptions = (
            ParameterDescription(
                name,
                "form",
                self._schema_type(),
                required=default is REQUIRED,
                description=description,
                http_only=True,
            ),
        )

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the files; see :class:`~unixsvc.routing.parameters.interfaces.ParameterSource`."""
        upload = request.upload
        if upload is None or upload.form is None:
            raise Malformed(HTTP_ONLY)
        files = upload.form.files.get(self.name, [])
        if not files:
            if self._default is REQUIRED:
                errors.append(FieldError(self.name, "is required"))
            return copy.copy(self._default)
        if len(files) < self._least:
            errors.append(FieldError(self.name, f"has fewer than {self._least} files"))
        return files if self.many else files[0]

    def _schema_type(self) -> TypeForm:
        """Return a type with the JSON Schema of the parameter: OpenAPI 3.1 describes files as binary."""
        if not self.many:
            return _FILE
        most = None if self.most == sys.maxsize else self.most
        return Annotated[list[_FILE], Meta(min_length=self._least or None, max_length=most)]  # type: ignore[valid-type]


_FILE: Final = Annotated[
    str, Meta(extra_json_schema={"format": "binary", "contentMediaType": "application/octet-stream"})
]


class FileKind:
    """Recognizes ``UploadFile``, ``UploadFile | None`` and ``list[UploadFile]``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> _FileSource | None:
        """Return the source of a parameter; None if it has no files."""
        if not _has_files(hint):
            return None
        forms = [each for each in members_of(hint) if each is not _NONE]
        if len(forms) > 1 or not (forms[0] is UploadFile or _is_list_of_files(forms[0])):
            problem = f"{name!r} is of a type that no field of a form has"
            raise ConfigError(where, problem, "use UploadFile, UploadFile | None or list[UploadFile]")
        return _FileSource(name, hint, default)


class FormReceiver:
    """A gate, the last one of its route: it receives the form before the arguments are bound.

    :param sources: those of the route.
    :param run: calls functions in a thread.
    """

    def __init__(self, sources: Mapping[str, ParameterSource], blocking: IBlockingRunner) -> None:
        files = [source for source in sources.values() if isinstance(source, _FileSource)]
        self._fields = {each.name: each.most if each.many else 1 for each in files}
        self._run = blocking.run

    def __call__(self, request: Request) -> Awaitable[None]:
        """Receive the form of a request.

        :raises Malformed: if it has not come over HTTP.
        """
        return self._receive(request)

    async def _receive(self, request: Request) -> None:
        upload = request.upload
        if upload is None:
            raise Malformed(HTTP_ONLY)
        await upload.receive_form(self._fields, self._run)
        if upload.form is not None and upload.form.text:
            force_setattr(request, "body", upload.form.text)


def _has_files(hint: TypeForm) -> bool:
    form = bare(hint)
    return form is UploadFile or any(map(_has_files, get_args(form)))


def _is_list_of_files(form: TypeForm) -> bool:
    return get_origin(form) is list and bare(get_args(form)[0]) is UploadFile


def _metadata(hint: TypeForm) -> tuple[object, ...]:
    hint = unnamed(hint)
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()
