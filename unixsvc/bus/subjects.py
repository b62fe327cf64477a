"""The subjects of NATS that services of several hosts meet on. Pure."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

__all__ = ["Subjects"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")
_REST: Final = re.compile(r"[A-Za-z0-9_-]+\.[0-9]+")  # the process, and the number of the circuit


class Subjects(Struct, frozen=True):
    """The subjects of one host.

    :ivar prefix: the first tokens of all subjects. Clusters with different ones do not see each other.
    :ivar host: the name of this host; no other host of the cluster has it.
    """

    prefix: str
    host: str

    def open(self, service: str) -> str:
        """Where circuits to a service on any host are opened."""
        return f"{self.prefix}.open.{service}"

    def open_on(self, service: str, host: str) -> str:
        """The same for one host."""
        return f"{self.prefix}.open.{service}.{host}"

    def pipes(self, process: str) -> str:
        """The first tokens of the subjects of a process; each of its circuits has one, with a number."""
        return f"{self.prefix}.pipe.{self.host}.{process}"

    def is_pipe_of(self, pipe: str, host: str) -> bool:
        """Whether a subject is a pipe of a host.

        Only that host may subscribe to it, so an answer there reaches nothing else. The text is a peer's: it
        becomes a part of commands to the NATS server.
        """
        start = f"{self.prefix}.pipe.{host}."
        return bool(_TOKEN.fullmatch(host) and pipe.startswith(start) and _REST.fullmatch(pipe, len(start)))

    def is_target(self, service: str, host: str) -> bool:
        """Whether these can be the names of a service and of a host, which may be empty.

        Applications may take them from their callers, and they become a part of commands.
        """
        return bool(_TOKEN.fullmatch(service) and (not host or _TOKEN.fullmatch(host)))

    def call(self, service: str) -> str:
        """Where programs that know nothing of circuits call a service."""
        return f"{self.prefix}.svc.{service}"
