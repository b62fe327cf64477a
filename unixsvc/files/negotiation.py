"""The choice between precompressed copies of a file (RFC 9110, section 12.5.3). Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["CODINGS", "accepted_codings", "accepts_pages", "is_compressible"]

CODINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The suffixes of copies by content coding, the best first."""

_ITEM: Final = re.compile(r"[ \t]*([^\s;,]+)[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]{0,3})?)[ \t]*)?", re.IGNORECASE)
_COMPRESSIBLE: Final = frozenset(
    {
        "application/atom+xml", "application/geo+json", "application/json", "application/jsonl",
        "application/ld+json", "application/manifest+json", "application/rss+xml", "application/schema+json",
        "application/sql", "application/toml", "application/vnd.ms-fontobject", "application/wasm",
        "application/xhtml+xml", "application/yaml", "font/otf", "font/ttf", "image/bmp", "image/svg+xml",
        "image/vnd.microsoft.icon", "model/gltf+json",
    }
)  # fmt: skip


def is_compressible(media_type: str) -> bool:
    """Return whether files of a media type become smaller by compression, and may have compressed copies."""
    kind = media_type.partition(";")[0]
    return kind.startswith("text/") or kind in _COMPRESSIBLE


@lru_cache(256)  # clients send few different values
def accepted_codings(accept_encoding: str) -> tuple[str, ...]:
    """Return the codings that a client accepts, the preferred one first.

    :param accept_encoding: the value of the header; empty without one. An item with an error is ignored.
    """
    qualities = _qualities(accept_encoding)
    found = {name: qualities.get(name, qualities.get("*", 0.0)) for name in CODINGS}
    uncoded = qualities.get("identity", 0.0)
    return tuple(
        name
        for name in sorted(found, key=lambda name: -found[name])
        if found[name] > 0 and found[name] >= uncoded
    )


@lru_cache(256)
def accepts_pages(accept: str) -> bool:
    """Return whether a request is for a page, as those of browsers that navigate: ``*/*`` does not say so."""
    return _qualities(accept).get("text/html", 0.0) > 0


def _qualities(value: str) -> dict[str, float]:
    items = (_ITEM.fullmatch(item) for item in value.split(","))
    return {item[1].lower(): float(item[2] or 1) for item in items if item}
