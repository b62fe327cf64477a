"""Forms with files, from the parts that the parser finds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct

from unixsvc.domain.uploads.interfaces import ReceivedForm
from unixsvc.domain.uploads.upload_file import DEFAULT_MEDIA_TYPE, RunBlocking, UploadFile
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import Invalid, Malformed, TooLarge
from unixsvc.rest.multipart.parser import MultipartParser
from unixsvc.rest.multipart.part_head import PartHead
from unixsvc.rest.multipart.text_form import MAX_FIELDS
from unixsvc.rest.uploads.spool import Spool, SpooledFile

__all__ = ["FormLimits", "FormReader"]


class FormLimits(Struct, frozen=True):
    """The limits of a form.

    :ivar max_files: the most files, over all fields.
    :ivar max_text: the most bytes of all text fields together, with their names.
    """

    max_files: int
    max_text: int


class FormReader:
    """Reads a form while it arrives: text into memory, files into a spool.

    What cannot become the arguments of the action is rejected as soon as it is seen.

    :param fields: the most files of each field that takes files.
    :param run: calls functions in a thread, for the files.
    """

    def __init__(
        self,
        boundary: bytes,
        fields: Mapping[str, int],
        limits: FormLimits,
        spool: Spool,
        run: RunBlocking[object],
    ) -> None:
        self._parser = MultipartParser(boundary, MAX_FIELDS)
        self._fields = fields
        self._limits = limits
        self._spool = spool
        self._run = run
        self._texts: list[tuple[str, bytes]] = []
        self._text_size = 0
        self._files: dict[str, list[UploadFile]] = {}
        self._file_count = 0
        self._head: PartHead | None = None
        self._text = bytearray()
        self._file: SpooledFile | None = None

    @property
    def held(self) -> int:
        """The number of bytes in memory."""
        return self._spool.held + self._text_size + self._parser.held

    def feed(self, data: bytes) -> None:
        """Read the next bytes.

        :raises unixsvc.errors.ServiceError: if the form is rejected.
        """
        for event in self._parser.feed(data):
            if event is None:
                self._end_part()
            elif isinstance(event, bytes):
                self._add(event)
            else:
                self._start_part(event)

    def finish(self) -> ReceivedForm:
        """The form, at its end.

        :raises Malformed: if it is not complete.
        """
        self._parser.finish()
        try:
            texts = [(name, text.decode()) for name, text in self._texts]
        except UnicodeDecodeError:
            raise Malformed("body: a field of the form is not valid UTF-8") from None
        return ReceivedForm(urlencode(texts).encode(), self._files)

    def _start_part(self, head: PartHead) -> None:
        self._head, self._file = head, None
        if head.filename is None:
            self._text = bytearray()
            self._count_text(len(head.name))
        elif head.name not in self._fields:
            known = ", ".join(self._fields)
            raise _invalid(head.name, f"is a file; files are accepted as {known}")
        elif head.filename:
            self._start_file(head)

    def _start_file(self, head: PartHead) -> None:
        files = self._files.setdefault(head.name, [])
        most = self._fields[head.name]
        if len(files) >= most:
            raise _invalid(head.name, f"has more than {most} file{'' if most == 1 else 's'}")
        self._file_count += 1
        if self._file_count > self._limits.max_files:
            raise Malformed(f"body: the form has more than {self._limits.max_files} files")
        self._file = self._spool.new_file()
        content_type = head.content_type or DEFAULT_MEDIA_TYPE
        files.append(
            UploadFile(
                head.filename or "",
                self._file,
                content_type=content_type,
                headers=head.headers,
                run=self._run,
            )
        )

    def _add(self, data: bytes) -> None:
        head = self._head
        if head is None:
            return
        if head.filename is None:
            self._count_text(len(data))
            if head.name in self._fields:
                raise _invalid(head.name, "is text; a file is expected")
            self._text += data
            return
        if self._file is None:  # a file with an empty name
            self._start_file(head)
        if self._file is not None:
            self._spool.append(self._file, data)

    def _end_part(self) -> None:
        head, self._head = self._head, None
        # A file input for which no file was chosen is a file without a name and content.
        if head is not None and head.filename is None and head.name not in self._fields:
            self._texts.append((head.name, bytes(self._text)))

    def _count_text(self, size: int) -> None:
        self._text_size += size
        if self._text_size > self._limits.max_text:
            raise TooLarge(self._limits.max_text)


def _invalid(name: str, message: str) -> Invalid:
    return Invalid([{"field": shortened(name), "message": message}])
