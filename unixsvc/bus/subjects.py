"""The subjects of NATS that services of several hosts meet on. Pure."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Subjects"]


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

    def call(self, service: str) -> str:
        """Where programs that know nothing of circuits call a service."""
        return f"{self.prefix}.svc.{service}"
