"""Keeps the tokens of a running system, and changes them without a restart."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.config.settings import SHARED_TOKEN, Settings
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.execution.shared_result import run_detached
from unixsvc.orchestrator.events.log import Record, ignore
from unixsvc.orchestrator.tokens.interfaces import ITokens, ServiceAccess, TokenEntry
from unixsvc.orchestrator.tokens.named import accepted, check_routes, entries, revoked_names
from unixsvc.orchestrator.tokens.state import (
    PreviousToken,
    RevokedToken,
    TokenState,
    load_state,
    save_state,
    state_path,
)
from unixsvc.orchestrator.tokens.watch import FileWatch
from unixsvc.orchestrator.worker.messages import SetTokens
from unixsvc.security.access import ALL_SERVICES, AcceptedToken, digest_of
from unixsvc.security.token_file import (
    SharedToken,
    create_token,
    external_token,
    file_version,
    is_published,
    load_or_create_token,
    read_token,
    write_private,
)

__all__ = ["TokenKeeper"]


@implementer(ITokens)
class TokenKeeper:
    """The shared token, and the tokens with names.

    :param settings: the configuration until the next :meth:`load`.
    :param environ: the environment variables.
    :param now: the time in seconds since 1970.
    :param record: records changes of tokens.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        *,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
        log: Logger | None = None,
        record: Record = ignore,
    ) -> None:
        self._reactor = reactor
        self._send: Callable[[SetTokens], Awaitable[None]] = _no_workers
        self._environ = environ
        self._now = now
        self._lock = DeferredLock()
        self._log = log or Logger(namespace="orchestrator")
        self._record = record
        self._shared = SharedToken("", "")
        self._settings = settings
        self._state = TokenState()
        self._state_path = ""
        self._extra: tuple[AcceptedToken, ...] = ()  # valid while the shared token is being replaced
        self._expiry: IDelayedCall | None = None
        self._watch = FileWatch(reactor, self._file_version, self._file_changed)

    def current(self) -> SetTokens:
        """The tokens, as workers have to have them."""
        return SetTokens(self._shared.token, self._others())

    def load(self, settings: Settings) -> None:
        """Find the shared token, or create it; read the revocations.

        :raises ConfigError: if this cannot be done, or if a table ``[tokens.NAME]`` is wrong.
        """
        check_routes(settings)
        file = settings.token_file
        self._shared = external_token(self._environ) or SharedToken(load_or_create_token(file), file, file)
        self._watch.has_changed()
        self._state_path = state_path(file)
        self._state = load_state(self._state_path).without_expired(self._now())
        self._settings = settings
        self._log_revoked(settings)

    def start(self, send: Callable[[SetTokens], Awaitable[None]]) -> None:
        """Begin to look at the token file, and at the end of validity of previous tokens.

        :param send: sends the tokens to every worker; done when all of them use these.
        """
        self._send = send
        if self._shared.file:
            self._watch.start()
        self._schedule_expiry()

    def stop(self) -> None:
        """Stop that."""
        self._watch.stop()
        self._cancel_expiry()

    async def reload(self, settings: Settings) -> None:
        """Use the tables ``[tokens.NAME]`` of another configuration, and read the token file again.

        :raises ConfigError: if a table is wrong.
        """
        check_routes(settings)
        self._log_revoked(settings)
        async with self._lock:
            before, self._settings = self.current(), settings
            if self.current() != before:
                await self._send(self.current())
        await self._read_file()

    # ITokens.

    def access(self, service: str) -> ServiceAccess:
        """Return what a client needs to call a service."""
        services, limits = self._settings.services, self._settings.limits
        if service in services:
            limits = services[service].limits(limits)
        return ServiceAccess(self._shared.token, limits.request_timeout)

    def entries(self) -> list[TokenEntry]:
        """Return the shared token and the configured ones."""
        shared = TokenEntry(SHARED_TOKEN, (ALL_SERVICES,), (), "valid")
        return [shared, *entries(self._settings.tokens, self._state)]

    def rotate(self, overlap: float) -> Deferred[None]:
        """Replace the shared token by a new one, also in its file."""
        return run_detached(self._rotate(overlap))

    def revoke(self, name: str) -> Deferred[None]:
        """Make a token invalid permanently, whatever the configuration says."""
        return run_detached(self._revoke(name))

    # Implementation.

    async def _revoke(self, name: str) -> None:
        if name == SHARED_TOKEN:
            raise Conflict("the shared token is replaced, not revoked: unixsvc token rotate --overlap 0")
        named = self._settings.tokens
        if name not in named:
            known = ", ".join(named) or "none"
            raise NotFound(f"there is no token {name!r}; there are: {known}")
        async with self._lock:
            new = [RevokedToken(name, digest) for digest in named[name].digests]
            revoked = dict.fromkeys([*self._state.revoked, *new])
            problem = self._change_state(msgspec.structs.replace(self._state, revoked=tuple(revoked)))
            await self._send(self.current())
        self._log.warn("the token {name} is revoked", name=name)
        self._record("token.revoked", name=name)
        if problem:
            raise Conflict(
                f"the token {name!r} is revoked until the orchestrator ends: {problem}; remove tokens.{name}"
            )

    async def _rotate(self, overlap: float) -> None:
        async with self._lock:
            await self._replace_shared(overlap)

    async def _replace_shared(self, overlap: float) -> None:
        old, file = self._shared, self._shared.file
        if file != self._settings.token_file or is_published(file):
            raise Conflict(f"the token is from {old.origin}: change it there")
        before, until = self._state, self._now() + overlap
        # The overlap is for all previous tokens: one that was stolen must not outlive it.
        earlier = [msgspec.structs.replace(each, until=min(each.until, until)) for each in before.previous]
        previous = (*earlier, PreviousToken(digest_of(old.token), until))
        new = SharedToken(create_token(), file, file)
        # Every worker knows the new token before any process uses it.
        await self._accept_also(new.token)
        try:
            self._state = msgspec.structs.replace(before, previous=previous)
            save_state(self._state_path, self._state)
            write_private(file, new.token + "\n")
        except OSError as error:
            self._change_state(before)
            await self._accept_also()
            raise Conflict(
                f"the token cannot be replaced: {error.filename or file}: {error.strerror}"
            ) from None
        self._shared = new
        await self._accept_also()
        self._log.info(
            "the shared token is replaced; the old one is valid for {overlap:g} s", overlap=overlap
        )
        self._record("token.rotated", overlap=overlap)
        await self._expire()

    async def _expire(self) -> None:
        """Make the previous tokens invalid whose time is over."""
        state = self._state.without_expired(self._now())
        if state != self._state:
            self._change_state(state)
            await self._send(self.current())
        self._schedule_expiry()

    async def _read_file(self) -> None:
        """Use the token in the file, if it is another one. An invalid file leaves the token as it is."""
        async with self._lock:
            file, before = self._shared.file, self._shared
            if not self._watch.has_changed():
                return
            try:
                token = read_token(file)
            except ConfigError as error:
                message = (
                    "{where}: {problem}; the earlier token stays valid; for a new one: unixsvc token rotate"
                )
                self._log.error(message, where=error.where, problem=error.problem)
                return
            if token == before.token:
                return
            self._log.warn("{file} has another token: it is valid now, the old one is not", file=file)
            self._record("token.changed", file=file)
            await self._accept_also(token)
            self._shared = msgspec.structs.replace(before, token=token)
            await self._accept_also(before.token)
            await self._accept_also()

    async def _accept_also(self, *tokens: str) -> None:
        """Make every worker use the current tokens, and accept more shared ones for the moment."""
        self._extra = tuple(AcceptedToken(SHARED_TOKEN, digest_of(token)) for token in tokens)
        await self._send(self.current())

    def _file_version(self) -> tuple[int, ...] | None:
        return file_version(self._shared.file)

    def _file_changed(self) -> None:
        Deferred.fromCoroutine(self._read_file()).addErrback(self._failed)

    def _schedule_expiry(self) -> None:
        self._cancel_expiry()
        if self._state.previous:
            first = min(token.until for token in self._state.previous)
            self._expiry = self._reactor.callLater(max(first - self._now(), 0.0), self._expiry_due)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self._expiry = None

    def _expiry_due(self) -> None:
        async def expire() -> None:
            async with self._lock:
                await self._expire()

        Deferred.fromCoroutine(expire()).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._log.failure("cannot change the tokens", failure)

    def _others(self) -> tuple[AcceptedToken, ...]:
        previous = (AcceptedToken(SHARED_TOKEN, token.sha256) for token in self._state.previous)
        return (*self._extra, *previous, *accepted(self._settings.tokens, self._state))

    def _log_revoked(self, settings: Settings) -> None:
        for name in revoked_names(settings.tokens, self._state):
            where = f"{settings.source}: tokens.{name}"
            self._log.warn("{where}: is revoked; remove it, or use a new token", where=where)

    def _change_state(self, state: TokenState) -> str:
        """Use another state, and store it.

        :returns: why it is not stored; empty if it is.
        """
        self._state = state
        try:
            save_state(self._state_path, state)
        except OSError as error:
            problem = f"{self._state_path}: {error.strerror}"
            self._log.error("the state of the tokens is not stored: {problem}", problem=problem)
            return problem
        return ""


async def _no_workers(tokens: SetTokens) -> None:
    """Do nothing: there are no workers before the start."""
