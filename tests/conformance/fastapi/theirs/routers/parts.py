from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Cookie, Header, Response
from pydantic import BaseModel

router = APIRouter(tags=["parts"])
SENT: list[str] = []


class Headers(BaseModel):
    user_agent: str | None
    x_token: list[str]
    strange: int


class Ads(BaseModel):
    ads_id: str | None


class Sent(BaseModel):
    message: str


@router.get("/headers")
async def read_headers(
    user_agent: Annotated[str | None, Header()] = None,
    x_token: Annotated[list[str], Header()] = [],
    strange_header: Annotated[int, Header(alias="Strange")] = 0,
) -> Headers:
    return Headers(user_agent=user_agent, x_token=x_token, strange=strange_header)


@router.get("/cookies")
async def read_cookies(ads_id: Annotated[str | None, Cookie()] = None) -> Ads:
    return Ads(ads_id=ads_id)


@router.post("/cookies")
async def set_cookie(ads_id: str, response: Response) -> Ads:
    response.set_cookie("ads_id", ads_id, secure=True, httponly=True)
    return Ads(ads_id=ads_id)


def write_notification(email: str) -> None:
    SENT.append(email)


@router.post("/notifications/{email}", status_code=202)
async def send_notification(email: str, background: BackgroundTasks) -> Sent:
    background.add_task(write_notification, email)
    return Sent(message="Notification sent in the background")


@router.get("/notifications")
async def read_notifications() -> list[str]:
    return SENT
