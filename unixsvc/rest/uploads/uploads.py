"""Starts and limits uploads for the gateway."""

from __future__ import annotations

import os

from twisted.internet.interfaces import IReactorTime

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.errors import ConfigError
from unixsvc.rest.decode import RequestHeaders
from unixsvc.rest.pending import PendingResponse
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.uploads.form import FormLimits
from unixsvc.rest.uploads.request_upload import RequestUpload, UploadSettings
from unixsvc.rest.uploads.time_limit import UploadTimeLimit

__all__ = ["Uploads"]


class Uploads:
    """The uploads of one gateway.

    :raises ConfigError: if ``upload_dir`` is not a folder that this process can write to.
    """

    def __init__(self, http: Http, limits: Limits, reactor: IReactorTime) -> None:
        folder = http.upload_dir
        if folder and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
            problem = "is not a folder that the workers can write to"
            raise ConfigError(f"http.upload_dir {folder}", problem, "create it, and give it to their user")
        form_limits = FormLimits(http.max_files, limits.max_message_bytes)
        self._settings = UploadSettings(folder, http.spool_over, form_limits)
        self._seconds = limits.request_timeout
        self._reactor = reactor

    def start(self, headers: RequestHeaders, body: bytes, incoming: IncomingBody | None) -> RequestUpload:
        """The upload of a request.

        :param body: if it has arrived before the request was served.
        :param incoming: else the body that arrives.
        """
        return RequestUpload(incoming or IncomingBody.whole(body), headers, self._settings)

    def limit_time(self, upload: RequestUpload, pending: PendingResponse, timeout: float | None) -> None:
        """Limit the time of the action, but not while it waits for the client.

        :param timeout: the time that the client waits for the response, in seconds; None for any.
        """
        limit = UploadTimeLimit(pending.limit, self._reactor, self._seconds, timeout)
        upload.body.on_wait = limit
        if upload.body.awaited:
            limit(True)
