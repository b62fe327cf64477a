from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel

router = APIRouter(tags=["files"])


class Stored(BaseModel):
    token: str
    sizes: dict[str, int]


@router.post("/files")
async def create_file(file: UploadFile, token: Annotated[str, Form()]) -> Stored:
    return Stored(token=token, sizes={file.filename or "": len(await file.read())})


@router.post("/uploadfiles")
async def create_files(files: Annotated[list[UploadFile], File()]) -> list[str]:
    return [file.filename or "" for file in files]
