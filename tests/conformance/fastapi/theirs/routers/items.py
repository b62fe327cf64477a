from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, Field

from ..dependencies import require

router = APIRouter(prefix="/items", tags=["items"])


class NewItem(BaseModel):
    name: str = Field(min_length=1, max_length=50)
    price: float = Field(gt=0)
    description: str | None = None
    tags: list[str] = []


class Item(NewItem):
    id: int


ITEMS = [
    Item(id=1, name="Plumbus", price=3.5, tags=["home"]),
    Item(id=2, name="Portal Gun", price=9001.0, description="Travel"),
]


def find(item_id: int) -> Item:
    for item in ITEMS:
        if item.id == item_id:
            return item
    raise HTTPException(404, f"no item {item_id}")


@router.get("")
async def read_items(
    q: str | None = None,
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> list[Item]:
    found = [item for item in ITEMS if q is None or q.lower() in item.name.lower()]
    return found[skip : skip + limit]


@router.get("/{item_id}")
async def read_item(item_id: int) -> Item:
    return find(item_id)


@router.post("", status_code=201, dependencies=[require("items:write")])
async def create_item(new: NewItem, response: Response) -> Item:
    item = Item(id=max(item.id for item in ITEMS) + 1, **new.model_dump())
    ITEMS.append(item)
    response.headers["Location"] = f"/items/{item.id}"
    return item


@router.put("/{item_id}", dependencies=[require("items:write")])
async def update_item(item_id: int, new: NewItem) -> Item:
    item = Item(id=find(item_id).id, **new.model_dump())
    ITEMS[[each.id for each in ITEMS].index(item_id)] = item
    return item


@router.delete("/{item_id}", status_code=204, dependencies=[require("items:write")])
async def delete_item(item_id: int) -> None:
    ITEMS.remove(find(item_id))
