"""The rate limit of a service, as configured."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

from typing import Annotated, Literal

from msgspec import Meta, Struct

from unixsvc.limiting.rate_limit import Per, RateLimit

__all__ = ["ServiceRate"]


class ServiceRate(Struct, frozen=True, forbid_unknown_fields=True):
    """The rate limit of a service, over all its routes: the table ``[services.NAME.rate_limit]``.

    :ivar rate: as ``100/minute``, ``5/second`` or ``20/10s``; empty for no limit.
    :ivar burst: how many requests may come at once; 0 for the number in ``rate``.
    :ivar per: whose requests count together: ``caller``, ``token``, ``uid``, ``address``, or ``service`` for
        all callers.
    """

    rate: str = ""
    burst: Annotated[int, Meta(ge=0)] = 0
    per: Literal["caller", "token", "uid", "address", "service"] = "caller"

    @property
    def limit(self) -> RateLimit | None:
        """The limit; None if there is none.

        :raises ConfigError: if the rate is not valid.
        """
        if not self.rate:
            return None
        per: Per = "route" if self.per == "service" else self.per
        return RateLimit(self.rate, self.burst, per, name="service")
