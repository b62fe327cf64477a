"""Keeps the certificates of gateways, and changes them without a restart."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.listen.certificates import (
    ServerCertificate,
    certificate_paths,
    read_certificate,
    secure_endpoints,
)
from unixsvc.orchestrator.events.log import Record, ignore
from unixsvc.orchestrator.tokens.watch import FileWatch
from unixsvc.orchestrator.worker.messages import SetCertificates

__all__ = ["CertificateKeeper", "read_certificates"]


def read_certificates(settings: Settings, service: str) -> dict[str, ServerCertificate]:
    """Read and check the certificates of a gateway.

    :returns: them by endpoint string.
    :raises ConfigError: naming the files that cannot be used.
    """
    found = {}
    for endpoint, listen in secure_endpoints(settings.gateways[service].listen, settings.folder).items():
        from unixsvc.listen.tls import make_tls_context  # late: few orchestrators need ssl

        found[endpoint] = read_certificate(listen)
        make_tls_context(found[endpoint], listen)
    return found


class CertificateKeeper:
    """The certificates that workers have to use.

    They stay as they are while the files cannot be used: a worker that is replaced meanwhile gets them too.

    :param settings: the configuration until the next :meth:`load`.
    :param record: records changes.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        log: Logger | None = None,
        record: Record = ignore,
    ) -> None:
        self._settings = settings
        self._record = record
        self._log = log or Logger(namespace="orchestrator")
        self._current: dict[str, dict[str, ServerCertificate]] = {}
        self._send: Callable[[SetCertificates, str], Awaitable[None]] = _no_workers
        self._watch = FileWatch(reactor, self._versions, self._files_changed)

    def current(self, service: str) -> dict[str, ServerCertificate]:
        """The certificates of a service, by endpoint string; none for a service without TLS."""
        return self._current.get(service, {})

    def load(self, settings: Settings, only: str = "") -> None:
        """Read the certificates of a configuration, and send those that are different to the workers.

        :param only: the service; empty for all.
        :raises ConfigError: if files cannot be used; then nothing is changed.
        """
        names = [name for name in settings.gateways if only in ("", name)]
        found = {name: read_certificates(settings, name) for name in names}
        self._settings = settings
        self._watch.has_changed()
        for name in names:
            self._use(name, found[name])

    def start(self, send: Callable[[SetCertificates, str], Awaitable[None]]) -> None:
        """Begin to look at the files.

        :param send: sends certificates to the workers of a service; done when all of them use these.
        """
        self._send = send
        self._watch.start()

    def stop(self) -> None:
        """Stop that."""
        self._watch.stop()

    def _use(self, service: str, certificates: dict[str, ServerCertificate]) -> Deferred[None] | None:
        """Use certificates, and keep those of other endpoints: workers of before a reload may need them.

        :returns: fires when the workers use them; None if none is different from before.
        """
        before = self.current(service)
        changed = [each for each in certificates if each in before and certificates[each] != before[each]]
        self._current[service] = before | certificates
        return _sent(self._send(SetCertificates(certificates), service)) if changed else None

    def _files_changed(self) -> None:
        self._watch.has_changed()
        for name in self._settings.gateways:
            try:
                used = self._use(name, read_certificates(self._settings, name))
            except ConfigError as error:
                self._log.error("{error}; the earlier certificate stays in use", error=str(error))
                self._record("certificate.failed", name, reason=str(error))
            else:
                if used is not None:
                    used.addCallback(self._log_used, name)

    def _log_used(self, _: None, name: str) -> None:
        self._log.info("new connections of {name} get the changed certificate", name=name)
        self._record("certificate.changed", name)

    def _versions(self) -> tuple[tuple[int, ...] | None, ...]:
        return tuple(map(_version, self._paths()))

    def _paths(self) -> Iterator[str]:
        for http in self._settings.gateways.values():
            for listen in secure_endpoints(http.listen, self._settings.folder).values():
                yield from certificate_paths(listen)


def _version(path: str) -> tuple[int, ...] | None:
    """A value that changes with the file, also if a symbolic link then leads to another; None without one."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _sent(sending: Awaitable[None]) -> Deferred[None]:
    async def send() -> None:
        await sending

    return Deferred.fromCoroutine(send())


async def _no_workers(command: SetCertificates, service: str) -> None:
    """Do nothing: there are no workers before the start."""
