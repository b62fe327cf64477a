"""The table ``[dashboard]``: the live page."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

from typing import Literal

from msgspec import Struct

__all__ = ["Dashboard"]


class Dashboard(Struct, frozen=True, forbid_unknown_fields=True):
    """The live page of the orchestrator: the table ``[dashboard]``.

    :ivar listen: a Twisted endpoint string of the type ``tcp``, ``tcp6`` or ``unix``; empty for no page.
    :ivar allowed_hosts: the host names of the page, as in ``[http]``. If empty, the loopback names are
        allowed on loopback addresses, and any elsewhere.
    :ivar token: ``actions`` if only actions demand the token of an operator, ``required`` if reading does
        too.
    :ivar token_file: a file with the token of an operator. Tokens with names are for operators if their
        ``services`` have ``orchestrator``.
    :ivar trace_link: the address of a trace, with ``{trace_id}`` in it, to which log lines and calls link;
        empty for no links.
    """

    listen: str = ""
    allowed_hosts: tuple[str, ...] = ()
    token: Literal["actions", "required"] = "actions"
    token_file: str = ""
    trace_link: str = ""
