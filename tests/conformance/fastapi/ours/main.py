from msgspec import Struct

from unixsvc import GET, POST, App, Group

from . import chat, files, items, parts, users


class Message(Struct):
    message: str


async def root() -> Message:
    return Message("Hello Bigger Applications!")


async def update_admin() -> Message:
    return Message("Admin getting schwifty")


admin = Group("/admin", None, [POST("", update_admin)], requires=["admin"], tags=["admin"])

app = App(
    [GET("/", root, public=True), users.routes, items.routes, parts.routes, files.routes, chat.route, admin],
    authenticate=users.scheme,
    title="Bigger Applications",
    version="1.0",
)
