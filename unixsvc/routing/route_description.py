"""The description of a route for the contract."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Final

import msgspec

from unixsvc.contract.describe import RouteDescription, WebSocketDescription
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.validation.pydantic_models import encode_model, is_model
from unixsvc.domain.validation.type_forms import as_struct, bare
from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import ConfigError, RateLimited, ServiceError
from unixsvc.routing.endpoint import Endpoint
from unixsvc.routing.parameters.body.plan import describe_body
from unixsvc.routing.parameters.interfaces import ALONE_REMEDY
from unixsvc.routing.results.annotation import ResultType
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature

__all__ = ["describe_route", "require_body"]

_UPLOADS: Final = (BodyKind.FORM, BodyKind.STREAM)
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", WEBSOCKET})


def require_body(method: str, signature: Signature, where: str) -> None:
    """Require that a method has a body for a parameter that takes all of it; a query can fill a struct."""
    if method in _WITHOUT_BODY and signature.body in _UPLOADS:
        name = next(name for name, source in signature.sources.items() if source.body in _UPLOADS)
        raise ConfigError(where, f"{name!r} is in the body of a request, and {method} has none", "use POST")
    whole = bare(signature.data)
    if method in _WITHOUT_BODY and signature.whole and as_struct(whole) is None and not is_model(whole):
        problem = f"{signature.whole!r} takes the body of a request, and {method} has none"
        raise ConfigError(where, problem, "use POST, or a parameter for each field")
    if method in _WITHOUT_BODY and signature.data is not None:
        for name, source in signature.sources.items():
            if any(each.alone for each in source.descriptions):
                problem = f"{name!r} takes all of the query, and so do the parameters without Query()"
                raise ConfigError(where, problem, ALONE_REMEDY)
    if method in _WITHOUT_BODY and signature.body is not BodyKind.OBJECT:
        raise ConfigError(where, f"the action takes a body, and {method} has none", "use POST")


def describe_route(
    route: Route, path: str, signature: Signature, endpoint: Endpoint, where: str
) -> RouteDescription:
    """Return the description of a route.

    :param path: the whole path.
    :param where: the route, for error messages.
    :raises ConfigError: if its ``meta`` cannot become JSON.
    """
    result = signature.result
    try:
        msgspec.json.encode(msgspec.to_builtins(route.meta, str_keys=True), enc_hook=encode_model)
    except TypeError as error:
        raise ConfigError(where, f"the meta cannot become JSON: {error}") from None
    return RouteDescription(
        method=route.method,
        path=path,
        action=route.action,
        title=route.title,
        description=route.description,
        public=route.public,
        deprecated=bool(route.deprecated),
        sunset="" if route.sunset is None else route.sunset.isoformat(),
        tags=route.tags,
        errors=_errors(route),
        meta=route.meta,
        stream=result.stream,
        created=result.created,
        allow_nan_as_null=route.allow_nan_as_null,
        path_arguments=signature.path,
        data=signature.data,
        result=result.value,
        response=endpoint.maker.contract,
        security=endpoint.security,
        parameters=[each for source in signature.sources.values() for each in source.descriptions],
        websocket=_require_websocket(route, signature, where),
        body=describe_body(signature.body, signature.default),
    )


def _require_websocket(route: Route, signature: Signature, where: str) -> WebSocketDescription | None:
    """Return the messages of a route; None if it is no WebSocket.

    :raises ConfigError: for a WebSocket that can never work.
    """
    if route.method != WEBSOCKET:
        return None
    # Late: few services have WebSockets.
    from unixsvc.routing.parameters.websocket import WEBSOCKET_REMEDY, WebSocketSource

    found = next((each for each in signature.sources.values() if isinstance(each, WebSocketSource)), None)
    if found is None:
        raise ConfigError(where, "the route has no parameter of the type WebSocket", WEBSOCKET_REMEDY)
    if route.blocking or route.shield:
        raise ConfigError(where, "a WebSocket cannot be blocking or shielded", "remove the option")
    if signature.result != ResultType(NoneType):
        raise ConfigError(where, "a WebSocket returns None", "send with the WebSocket")
    return WebSocketDescription(found.receives, found.sends)


def _errors(route: Route) -> Sequence[type[ServiceError]]:
    """The errors that callers must expect: those that the route declares, and 429 if it has a limit."""
    if not route.rate_limit or any(issubclass(error, RateLimited) for error in route.errors):
        return route.errors
    return (*route.errors, RateLimited)
