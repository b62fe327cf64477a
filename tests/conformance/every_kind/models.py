"""Routes with models of Pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from unixsvc import GET, POST, Group, Route

__all__ = ["ROUTES"]


class Article(BaseModel):
    """A body, and a result."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1, max_length=30)
    price: float = Field(1.0, ge=0, le=9)  # 1.0 is an integer for JSON Schema, and not for a strict model


def create(new: Article) -> Article:
    """Take a model, and return it."""
    return new


def search(what: Article) -> list[Article]:
    """Take the fields of a model from the query."""
    return [what]


ROUTES: Final[Sequence[Group | Route]] = [
    Group("/models", None, [POST("", create, public=True), GET("", search, public=True)])
]
