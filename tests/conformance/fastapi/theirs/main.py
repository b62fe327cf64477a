from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel

from .internal import admin
from .routers import chat, files, items, parts, users


class Message(BaseModel):
    message: str


app = FastAPI(title="Bigger Applications", version="1.0")
app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://shop.example"],
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "Content-Type"],
)
for module in (users, items, parts, files, chat, admin):
    app.include_router(module.router)


@app.get("/")
async def root() -> Message:
    return Message(message="Hello Bigger Applications!")
