from typing import Annotated

from msgspec import Struct

from unixsvc import GET, POST, Cookie, Group, Header, Query, Request, Response, Returns, SetCookie

SENT: list[str] = []


class Headers(Struct):
    user_agent: str | None
    x_token: list[str]
    strange: int


class Ads(Struct):
    ads_id: str | None


class Sent(Struct):
    message: str


async def read_headers(
    user_agent: Annotated[str | None, Header()] = None,
    x_token: Annotated[list[str], Header()] = [],
    strange_header: Annotated[int, Header("Strange")] = 0,
) -> Headers:
    return Headers(user_agent, x_token, strange_header)


async def read_cookies(ads_id: Annotated[str | None, Cookie()] = None) -> Ads:
    return Ads(ads_id)


async def set_cookie(ads_id: Annotated[str, Query()]) -> Annotated[Response[Ads], Returns(status=200)]:
    return Response(Ads(ads_id), cookies=[SetCookie("ads_id", ads_id)])


def write_notification(email: str) -> None:
    SENT.append(email)


async def send_notification(email: str, request: Request) -> Annotated[Sent, Returns(status=202)]:
    request.background(write_notification, email)
    return Sent("Notification sent in the background")


async def read_notifications() -> list[str]:
    return SENT


routes = Group(
    "",
    None,
    [
        GET("/headers", read_headers, public=True),
        GET("/cookies", read_cookies, public=True),
        POST("/cookies", set_cookie, public=True),
        POST("/notifications/{email}", send_notification, public=True),
        GET("/notifications", read_notifications, public=True),
    ],
    tags=["parts"],
)
