from typing import Annotated

from msgspec import Meta, Struct, structs

from unixsvc import DELETE, GET, POST, PUT, Created, Group, NotFound


class NewItem(Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=50)]
    price: Annotated[float, Meta(gt=0)]
    description: str | None = None
    tags: list[str] = []


class Item(NewItem, kw_only=True):
    id: int


ITEMS = [
    Item(id=1, name="Plumbus", price=3.5, tags=["home"]),
    Item(id=2, name="Portal Gun", price=9001.0, description="Travel"),
]


def find(item_id: int) -> Item:
    for item in ITEMS:
        if item.id == item_id:
            return item
    raise NotFound(f"no item {item_id}")


async def read_items(
    q: str | None = None,
    skip: Annotated[int, Meta(ge=0)] = 0,
    limit: Annotated[int, Meta(ge=1, le=100)] = 10,
) -> list[Item]:
    found = [item for item in ITEMS if q is None or q.lower() in item.name.lower()]
    return found[skip : skip + limit]


async def read_item(item_id: int) -> Item:
    return find(item_id)


async def create_item(new: NewItem) -> Created[Item]:
    item = Item(id=max(item.id for item in ITEMS) + 1, **structs.asdict(new))
    ITEMS.append(item)
    return Created(item, f"/items/{item.id}")


async def update_item(item_id: int, new: NewItem) -> Item:
    item = Item(id=find(item_id).id, **structs.asdict(new))
    ITEMS[[each.id for each in ITEMS].index(item_id)] = item
    return item


async def delete_item(item_id: int) -> None:
    ITEMS.remove(find(item_id))


routes = Group(
    "/items",
    None,
    [
        GET("", read_items, public=True),
        GET("/{item_id}", read_item, public=True),
        POST("", create_item, requires=["items:write"]),
        PUT("/{item_id}", update_item, requires=["items:write"]),
        DELETE("/{item_id}", delete_item, requires=["items:write"]),
    ],
    tags=["items"],
)
