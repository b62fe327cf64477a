"""Responds with the files of replies."""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from unixsvc.domain.open_file import OpenFile
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.execution.threads import ThreadRunner
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.files.disk import Disk, RunInThread
from unixsvc.rest.files.response import FileResponse, build_response
from unixsvc.rest.files.sending import FileSender
from unixsvc.rest.response import Response
from unixsvc.rest.server.interfaces import ResponseWriter

__all__ = ["FileResponder"]

# Bodies up to this size are sent as others are: with one system call to read and one to write.
_SMALL: Final = 65_536
_THREADS: Final = 4
_OK: Final = 200


class FileResponder:
    """Makes the responses that carry files, and sends those that do not fit into one piece.

    :param reactor: provides ``IReactorFromThreads`` as well, unless ``run`` is given.
    :param run: calls a function in a thread; None for threads of its own, as those of blocking actions may
        all be busy.
    """

    def __init__(
        self,
        builder: ResponseBuilder,
        reactor: IReactorTime,
        run: RunInThread | None = None,
    ) -> None:
        self._builder = builder
        self._reactor = reactor
        # Not an adaption: memory reactors of tests have the methods without the declaration.
        self._disk = Disk(run or ThreadRunner(cast(IReactorFromThreads, reactor), _THREADS).run)

    def respond(
        self,
        head: ReplyHead,
        file: OpenFile,
        context: ResponseContext,
        writer: ResponseWriter,
    ) -> Response | None:
        """Respond with a file.

        :returns: the response; None if it is written already, or later.
        """
        response = build_response(head, file, context, self._builder)
        if response.head.code != _OK and file.counted is not None:
            file.counted(response.head.code)
        whole = self._whole(response, file) if response.size <= _SMALL else None
        if whole is not None:
            file.descriptor.close()
            return whole
        FileSender(writer, response, file.descriptor, self._disk, self._reactor).start()
        return None

    def _whole(self, response: FileResponse, file: OpenFile) -> Response | None:
        """A response with its body; None if it has to be loaded, or is not what it should be."""
        body = b""
        for part in response.parts:
            if not isinstance(part, bytes):
                start, stop = part
                found = self._disk.read_small(file.descriptor, start, stop - start)
                if found is None or len(found) < stop - start:
                    return None
                part = found
            body += part
        head = response.head
        return Response(head.code, head.kind, head.headers, body) if body else head
