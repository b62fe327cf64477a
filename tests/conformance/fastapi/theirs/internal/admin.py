from fastapi import APIRouter
from pydantic import BaseModel

from ..dependencies import require

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[require("admin")])


class Message(BaseModel):
    message: str


@router.post("")
async def update_admin() -> Message:
    return Message(message="Admin getting schwifty")
