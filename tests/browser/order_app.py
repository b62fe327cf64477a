"""A shop with a form: the page as Klein serves it, and the route that the form is sent to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import svcs
from klein import Klein
from msgspec import Meta, Struct

from unixsvc import POST, App

__all__ = ["Order", "app"]

# The action is relative, as the page may be below a prefix. The names with "chosen" are filled in.
_PAGE: Final = b"""<!DOCTYPE html>
<meta charset="utf-8">
<form method="post" action="orders" enctype="multipart/form-data">
    <input type="number" name="amount"> <input type="number" name="chosen_amount" value="3">
    <input type="date" name="day"> <input type="text" name="note">
    <input type="checkbox" name="gift"> <input type="checkbox" name="chosen_gift" checked>
    <select name="size"><option value="">any</option><option value="small">small</option></select>
    <input type="file" name="picture">
    <button>Order</button>
</form>
"""


class Order(Struct):
    """An order, with a default for each field."""

    amount: Annotated[int, Meta(ge=1)] = 1
    chosen_amount: int = 0
    day: date | None = None
    note: str = "none"
    gift: bool = False
    chosen_gift: bool = False
    size: Annotated[str, Meta(min_length=1)] = "large"


async def order(new: Order) -> Order:
    """Take an order."""
    return new


def _add_pages(klein: Klein, container: svcs.Container) -> None:
    def form(request: Any) -> bytes:
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return _PAGE

    klein.route("/form", methods=["GET"])(form)


app = App([POST("/orders", order, public=True, title="A new order")], title="Orders", web=_add_pages)
