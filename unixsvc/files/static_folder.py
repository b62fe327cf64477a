"""The files of a folder by the paths of URLs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fnmatch import translate
from typing import Final
from urllib.parse import unquote

from unixsvc.config.http import StaticFolder
from unixsvc.domain.open_file import OpenFile
from unixsvc.errors import NotFound, Unavailable
from unixsvc.files.media_types import media_type_of
from unixsvc.files.negotiation import CODINGS, accepted_codings, accepts_pages, is_compressible
from unixsvc.files.opened import ABSENT, NO_DESCRIPTORS, FileDescriptor, Folder

__all__ = ["FolderFiles", "IsFolder"]

_IMMUTABLE: Final = "max-age=31536000, immutable"
_REVALIDATE: Final = "no-cache"
_WELL_KNOWN: Final = ".well-known"  # RFC 8615: such files are there to be found
_HTML: Final = "text/html"


class IsFolder(Exception):
    """A path without a slash at its end is that of a folder with an index, whose links need the slash."""


class FolderFiles:
    """Finds the files of a static folder.

    :param settings: the options of the folder; its path is absolute.
    :param cannot_open: called with the error and the name of a file that exists and cannot be opened.
    """

    def __init__(self, settings: StaticFolder, cannot_open: Callable[[OSError, str], object]) -> None:
        self._settings = settings
        self._cannot_open = cannot_open
        self._folder = Folder(settings.folder)
        pattern = "|".join(translate(each) for each in settings.immutable)
        self._is_immutable = re.compile(pattern).match if pattern else None

    def find(self, rest: str, accept_encoding: str, accept: str) -> OpenFile:
        """Open the file of a URL.

        :param rest: the path after the prefix of the folder, with its escapes: empty, or with a slash first.
        :param accept_encoding: that of the request; empty without one.
        :param accept: also.
        :raises NotFound: if there is none.
        :raises IsFolder: if the URL lacks the slash at its end.
        :raises Unavailable: if no file descriptor is left.
        """
        name, index = self._name_of(rest), self._settings.index
        found = self._open(name, accept_encoding) if name else None
        if found is None and name is not None and index and self._exists(f"{name}/{index}".lstrip("/")):
            raise IsFolder
        if found is None and self._settings.fallback and accepts_pages(accept):
            found = self._open(self._settings.fallback, accept_encoding, vary="Accept")
        if found is None:
            raise NotFound
        return found

    def _name_of(self, rest: str) -> str | None:
        """The file that a path stands for, relative to the folder: None if there can be none.

        It is empty for the folder itself, without a slash.
        """
        if not rest:
            return ""
        try:
            *folders, last = segments = [unquote(segment, errors="strict") for segment in rest[1:].split("/")]
        except UnicodeDecodeError:
            return None
        if not all(map(self._is_visible, folders)):
            return None
        if not last:  # a folder
            segments = [*folders, self._settings.index]
            return "/".join(segments) if self._settings.index else None
        return "/".join(segments) if self._is_visible(last) else None

    def _is_visible(self, segment: str) -> bool:
        if not segment or segment in (".", "..") or "/" in segment or "\0" in segment:
            return False
        return not segment.startswith(".") or self._settings.hidden_files or segment == _WELL_KNOWN

    def _open(self, name: str, accept_encoding: str, *, vary: str = "") -> OpenFile | None:
        """Open a file, or the compressed copy that the client prefers; None if there is none."""
        found = self._try(name)
        if found is None:
            return None
        descriptor, state = found
        media_type, coding = media_type_of(name), ""
        if self._settings.precompressed and is_compressible(media_type):
            vary = f"Accept-Encoding, {vary}" if vary else "Accept-Encoding"
            for each in accepted_codings(accept_encoding):
                copy = self._try(name + CODINGS[each])
                # A copy of an earlier version is of no use. Builds write both within a second.
                if copy is not None and int(copy[1].st_mtime) >= int(state.st_mtime):
                    descriptor.close()
                    (descriptor, state), coding = copy, each
                    break
        return OpenFile(
            descriptor=descriptor,
            size=state.st_size,
            modified=state.st_mtime_ns,
            media_type=media_type,
            coding=coding,
            vary=vary,
            cache_control=self._cache_control(name, media_type),
            policy=self._settings.content_security_policy,
        )

    def _exists(self, name: str) -> bool:
        return self._try(name) is not None

    def _try(self, name: str) -> tuple[FileDescriptor, os.stat_result] | None:
        try:
            return self._folder.open(name)
        except ValueError:
            return None
        except OSError as error:
            if isinstance(error, IsADirectoryError) or error.errno in ABSENT:
                return None
            self._cannot_open(error, name)
            if error.errno in NO_DESCRIPTORS:
                raise Unavailable from None
            return None

    def _cache_control(self, name: str, media_type: str) -> str:
        if self._is_immutable is not None and self._is_immutable(name):
            return _IMMUTABLE
        # Pages name the versions of all other files.
        if not self._settings.max_age or media_type.startswith(_HTML):
            return _REVALIDATE
        return f"max-age={self._settings.max_age}"
