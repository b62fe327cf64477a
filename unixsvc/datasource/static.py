"""Static folders: files for the paths without a route."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from zope.interface import implementer

from unixsvc.config.http import StaticFolder
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.path_prefix import PathPrefix
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.request_context import current_slot
from unixsvc.domain.route_series import RouteSeries
from unixsvc.errors import ConfigError, MethodNotAllowed, NotFound
from unixsvc.files.static_folder import FolderFiles, IsFolder
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["StaticDatasource"]

_METHODS = ("GET", "HEAD")
# The path of the folder with a slash; the method and the query stay the same.
_REDIRECT = 308
_SAFE_IN_URL = "/%:?#[]@!$&'()*+,;=-._~"


@implementer(IRouterDatasource)
class StaticDatasource:
    """Replies with files where another datasource has no route.

    :param inner: the application.
    :param has_path: returns whether it has a route for a path.
    :param folders: by path prefix; the longest that matches decides.
    :param service: for the log.
    :param series: returns where the replies of a folder are counted; None to count them elsewhere.
    :raises ConfigError: for a folder that does not exist, or that this user cannot read.
    """

    def __init__(
        self,
        inner: IRouterDatasource,
        has_path: Callable[[str], bool],
        folders: Mapping[str, StaticFolder],
        service: str,
        series: Callable[[str], RouteSeries] | None = None,
    ) -> None:
        self._handle = inner.handle
        self._has_path = has_path
        self._log = LimitedLogger(service)
        for prefix, folder in folders.items():
            if not os.access(os.path.join(folder.folder, ""), os.R_OK | os.X_OK):
                problem = f"{folder.folder} is not a folder that this user can read"
                raise ConfigError(f"http.static.{prefix}", problem, "correct the path, or the file modes")
        found = [
            (
                PathPrefix.parse(prefix.rstrip("/")),
                FolderFiles(folder, self._cannot_open),
                None if series is None else series(f"* {prefix.rstrip('/')}/*"),
            )
            for prefix, folder in folders.items()
        ]
        self._folders = sorted(found, key=lambda entry: -entry[0].depth)

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply of the application, or a file."""
        try:
            return self._handle(request)
        except NotFound:  # of the router, or of an action
            if request.headers is None or self._has_path(request.path):
                raise
        return self._file(request)

    def _file(self, request: Request) -> Reply:
        path = request.path
        rest, files = self._folder_of(path)
        accept_encoding, accept = request.header("Accept-Encoding") or "", request.header("Accept") or ""
        try:
            found = files.find(rest, accept_encoding, accept)
        except IsFolder:
            query = f"?{request.query}" if request.query else ""
            location = quote(f"{path}/{query}", safe=_SAFE_IN_URL)
            return Reply(head=ReplyHead(_REDIRECT, (("Location", location),)))
        if request.method not in _METHODS:
            found.descriptor.close()
            raise MethodNotAllowed(["GET"])
        return Reply(head=ReplyHead(file=found))

    def _folder_of(self, path: str) -> tuple[str, FolderFiles]:
        for prefix, files, series in self._folders:
            rest = prefix.rest_of(path)
            if rest is not None:
                if series is not None:
                    current_slot().series = series
                return rest, files
        raise NotFound

    def _cannot_open(self, error: OSError, name: str) -> None:
        message = "a static file cannot be opened: {name}: {error}"
        self._log.emit("warn", "static files that cannot be opened", message, name=name, error=error.strerror)
