"""Checks of a configuration that its types do not express."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Final

from unixsvc.config.file import ConfigFile, gateway_service, http_tables
from unixsvc.config.hooks import EVENTS
from unixsvc.config.http import UNIX_PROXIES, Cors, Http, StaticFolder, parse_listen
from unixsvc.config.settings import CONTROL_SERVICE, SHARED_TOKEN
from unixsvc.config.tracing import check_tracing
from unixsvc.domain.path_prefix import BUILTIN_PREFIX, PathPrefix
from unixsvc.errors import ConfigError
from unixsvc.limiting.service_rate import ServiceRate
from unixsvc.socket_directory import socket_path

__all__ = [
    "NAME_PATTERN",
    "check_access",
    "check_file",
    "check_hooks",
    "check_hosts",
    "check_http",
    "check_name",
    "check_tokens",
]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]{1,5})?|[a-z]+://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII | re.IGNORECASE)
_HEADER_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
_OWN_META: Final = (
    "baggage", "client_address", "idempotency_key", "request_id", "traceparent", "tracestate", "user"
)  # fmt: skip
_PAGES = (PathPrefix.parse("/docs"), PathPrefix.parse("/openapi.json"))
_BUILTIN = PathPrefix.parse(BUILTIN_PREFIX)
_HOOK_URL = re.compile(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_POLICY = re.compile(r"[\x20-\x7e]*")
NAME_PATTERN: Final = "[a-z][a-z0-9_-]{0,62}"
"""The names of services and tokens."""

_SERVICE_NAME = re.compile(NAME_PATTERN)
_ROOT_LOGGERS: Final = ("", "root")  # see logging.getLogger()
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_file(file: ConfigFile, source: str) -> None:
    """Check the services of a file, the log, and the traces. There is at least one service.

    :param source: the file, for messages.
    :raises ConfigError: naming the first one that is wrong.
    """
    if not (file.services or file.http):
        raise ConfigError(source, "no service is configured", "add a table [services.NAME] with an app")
    for name, service in file.services.items():
        where = f"{source}: services.{name}"
        check_name(name, where)
        _check_environment(service.environment, f"{where}.environment")
        _check_rate(service.rate_limit, f"{where}.rate_limit")
    for name, table in http_tables(file).items():
        where = ".".join(filter(None, ("http", name, "rate_limit")))
        _check_rate(table.rate_limit, f"{source}: {where}")
    for name in file.log.loggers:
        if name in _ROOT_LOGGERS:
            where = f"{source}: log.loggers"
            raise ConfigError(where, f"{name!r} stands for all loggers", "set log.level instead")
    check_tracing(file.tracing, source)


def check_name(service: str, where: str) -> None:
    """Check the name of a service.

    :param where: its table, for messages.
    :raises ConfigError: if it is not valid.
    """
    if service == CONTROL_SERVICE or not _SERVICE_NAME.fullmatch(service):
        remedy = f"use lower-case letters, digits, '-' and '_', and not {CONTROL_SERVICE!r}"
        raise ConfigError(where, "is not a valid service name", remedy)


def _check_rate(table: ServiceRate, where: str) -> None:
    """Check a rate limit.

    :raises ConfigError: if it is not valid.
    """
    try:
        limit = table.limit
    except ConfigError as error:
        raise ConfigError(where, error.problem, error.remedy) from None
    if limit is None and table != ServiceRate():
        raise ConfigError(where, "has no rate", 'add one, as rate = "100/minute"')


def check_tokens(file: ConfigFile, source: str) -> None:
    """Check the tables ``[tokens.NAME]``, except for their routes.

    :param source: the file, for messages.
    :raises ConfigError: naming the first key that is wrong.
    """
    services = [*_services(file), CONTROL_SERVICE]  # the latter is for operators of the page
    names_of: dict[str, str] = {}
    for name, token in file.tokens.items():
        where = f"{source}: tokens.{name}"
        if name == SHARED_TOKEN or not _SERVICE_NAME.fullmatch(name):
            remedy = f"use lower-case letters, digits, '-' and '_', and not {SHARED_TOKEN!r}"
            raise ConfigError(where, "is not a valid name for a token", remedy)
        for digest in token.digests:
            if not _SHA256.fullmatch(digest):
                remedy = "write its 64 hexadecimal digits, as 'unixsvc token create' prints them"
                raise ConfigError(f"{where}.sha256", "is not a SHA-256 digest", remedy)
            if names_of.setdefault(digest, name) != name:
                raise ConfigError(
                    f"{where}.sha256", f"is that of tokens.{names_of[digest]}", "make a new token"
                )
        named = [each for each in token.services if each != "*"]
        _check_names(named, services, f"{where}.services", "service")


def check_access(file: ConfigFile, source: str) -> None:
    """Check the tables ``[access.NAME]``, except for their routes.

    :param source: the file, for messages.
    :raises ConfigError: naming the first key that is wrong.
    """
    services = _services(file)
    tokens = [SHARED_TOKEN, *file.tokens]
    for name, rule in file.access.items():
        where = f"{source}: access.{name}"
        if not _SERVICE_NAME.fullmatch(name):
            remedy = "use lower-case letters, digits, '-' and '_'"
            raise ConfigError(where, "is not a valid name for a rule", remedy)
        _check_names(rule.services, services, f"{where}.services", "service")
        _check_names(rule.tokens, tokens, f"{where}.tokens", "token")
        if not rule.services:
            raise ConfigError(f"{where}.services", "is empty", f"there are: {', '.join(services)}")
        restricted = bool(rule.uids or rule.tokens or rule.user is not None)
        if rule.anyone and restricted:
            raise ConfigError(where, "is for anyone, and for some", "remove anyone, or the others")
        if not (rule.anyone or restricted):
            remedy = "add uids, tokens or user; or anyone = true"
            raise ConfigError(where, "does not say who may call", remedy)


def check_hooks(file: ConfigFile, source: str) -> None:
    """Check the tables ``[[hooks]]``.

    :param source: the file, for messages.
    :raises ConfigError: naming the first key that is wrong.
    """
    for number, hook in enumerate(file.hooks):
        where = f"{source}: hooks[{number}]"
        if bool(hook.command) == bool(hook.url):
            raise ConfigError(where, "has not either a command or a url", "give it one of the two")
        for pattern in hook.events:
            if not any(fnmatchcase(kind, pattern) for kind in EVENTS):
                remedy = f"there are: {', '.join(EVENTS)}; and * stands for any text"
                raise ConfigError(f"{where}.events", f"there is no event {pattern!r}", remedy)
        _check_names(hook.services, _services(file), f"{where}.services", "service")
        if hook.url and not _HOOK_URL.fullmatch(hook.url):
            raise ConfigError(f"{where}.url", "is no URL", "write it as https://host/path")
        if hook.headers and not hook.url:
            raise ConfigError(f"{where}.headers", "are for a url", "remove them")
        for name, value in hook.headers.items():
            if not _HEADER_TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ConfigError(f"{where}.headers", f"{name!r} is no header field", "correct it")


def _services(file: ConfigFile) -> list[str]:
    return [*file.services, *map(gateway_service, http_tables(file))]


def _check_names(names: Sequence[str], known: Sequence[str], where: str, kind: str) -> None:
    for each in names:
        if each not in known:
            raise ConfigError(where, f"there is no {kind} {each!r}", f"there are: {', '.join(known)}")


def check_http(http: Http, where: str, folder: str, services: Collection[str]) -> None:
    """Check the table ``[http]``: mounts, static folders, CORS and addresses.

    Which services another orchestrator runs is not known.

    :param where: the table, for messages.
    :param folder: the base of relative paths.
    :param services: the names that a mount may lead to.
    :raises ConfigError: naming the first key that is wrong.
    """
    for prefix, target in http.mounts.items():
        service = target.partition(":")[0]
        if http.socket_dir:
            socket_path(http.socket_dir, service)
        elif service not in services:
            known = ", ".join(services) or "none"
            raise ConfigError(f"{where}.mounts", f"{prefix!r} leads to {target!r}", f"there are: {known}")
        if "{" in prefix:
            raise ConfigError(f"{where}.mounts", f"{prefix!r} has a variable", "a prefix is plain text")
        if http.docs and any(page.contains(prefix) for page in _PAGES):
            remedy = "choose another prefix, or set docs = false"
            raise ConfigError(f"{where}.mounts", f"{prefix!r} hides the documentation", remedy)
    for prefix, folder_options in http.static.items():
        _check_static(prefix, folder_options, http.mounts, f"{where}.static")
    check_hosts(http.allowed_hosts, f"{where}.allowed_hosts")
    _check_proxies(http.trusted_proxies, f"{where}.trusted_proxies")
    _check_forwarded(http.forward_headers, f"{where}.forward_headers")
    _check_cors(http.cors, f"{where}.cors")
    if not http.listen:
        remedy = "add an endpoint string, or remove the table [http]"
        raise ConfigError(f"{where}.listen", "is empty", remedy)
    for endpoint in http.listen:
        try:
            parse_listen(endpoint, folder)
        except ConfigError as error:
            raise ConfigError(f"{where}.listen", str(error)) from None


def _check_environment(environment: Mapping[str, str], where: str) -> None:
    for variable in environment:
        if not variable or "=" in variable:
            raise ConfigError(
                where, f"{variable!r} cannot be an environment variable", "a name is not empty and has no '='"
            )


def _check_static(prefix: str, static: StaticFolder, mounts: Collection[str], where: str) -> None:
    """Check a static folder, except whether it exists: the worker's user has to see it."""
    try:
        plain = PathPrefix.parse("" if prefix == "/" else prefix).plain
    except ConfigError:
        plain = ""
    if not prefix or "{" in prefix or "?" in prefix or (not plain and prefix != "/"):
        raise ConfigError(where, f"{prefix!r} is not a path prefix", 'write "/assets", or "/" for all paths')
    if _BUILTIN.contains(plain):
        raise ConfigError(
            where, f"{prefix!r} is under {BUILTIN_PREFIX}/", "this prefix is reserved; choose another path"
        )
    if any(PathPrefix.parse(mount).plain == plain for mount in mounts):
        raise ConfigError(where, f"{prefix!r} has a mount, which hides the folder", "remove one of them")
    where = f"{where}.{prefix}"
    if not static.folder:
        raise ConfigError(where, "has no folder", "add the key folder")
    if "/" in static.index:
        raise ConfigError(f"{where}.index", "is not the name of a file", "write it as index.html")
    if static.fallback.startswith("/") or ".." in static.fallback.split("/"):
        raise ConfigError(f"{where}.fallback", "is not a file in the folder", "write it as index.html")
    if not _POLICY.fullmatch(static.content_security_policy):
        problem = "has characters that are not allowed in a header"
        raise ConfigError(f"{where}.content_security_policy", problem, "use letters, digits and punctuation")


def check_hosts(hosts: Sequence[str], where: str) -> None:
    """Check host names that a server answers to.

    :raises ConfigError: naming the first one that is wrong.
    """
    for host in hosts:
        if host != "*" and not (_HOST_NAME.fullmatch(host) or _is_address(host)):
            remedy = "write it as example.org, *.example.org, 127.0.0.1 or ::1, without a scheme and a port"
            raise ConfigError(where, f"{host!r} is not a host name", remedy)


def _check_proxies(proxies: Sequence[str], where: str) -> None:
    for proxy in proxies:
        try:
            if proxy != UNIX_PROXIES:
                ip_network(proxy)
        except ValueError:
            remedy = f"write it as 127.0.0.1, 10.0.0.0/8, ::1 or {UNIX_PROXIES!r}"
            raise ConfigError(where, f"{proxy!r} is not an address or a network", remedy) from None


def _check_forwarded(names: Sequence[str], where: str) -> None:
    for name in names:
        if not _HEADER_TOKEN.fullmatch(name):
            raise ConfigError(
                where, f"{name!r} cannot be the name of a header", "use letters, digits and '-'"
            )
        if name.lower() in _OWN_META:
            raise ConfigError(where, f"{name!r} is an entry of meta that the gateway sets", "remove it")


def _is_address(text: str) -> bool:
    try:
        ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _check_cors(cors: Cors, where: str) -> None:
    for origin in cors.origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            remedy = "write it as a browser does: https://example.org, with a port if it is not the default"
            raise ConfigError(f"{where}.origins", f"{origin!r} is not an origin", remedy)
    for name, values in {"methods": cors.methods, "headers": cors.headers, "expose": cors.expose}.items():
        for value in values:
            if not _HEADER_TOKEN.fullmatch(value):
                raise ConfigError(
                    f"{where}.{name}", f"{value!r} cannot be in a header", "use letters, digits and '-'"
                )
    if cors.credentials and "*" in cors.origins:
        raise ConfigError(where, "credentials are not allowed for every origin", "list the origins")
