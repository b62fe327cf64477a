from msgspec import Struct

from unixsvc import POST, Group, UploadFile


class Stored(Struct):
    token: str
    sizes: dict[str, int]


async def create_file(file: UploadFile, token: str) -> Stored:
    return Stored(token, {file.filename: len(await file.read())})


async def create_files(files: list[UploadFile]) -> list[str]:
    return [file.filename for file in files]


routes = Group(
    "",
    None,
    [
        POST("/files", create_file, public=True),
        POST("/uploadfiles", create_files, public=True),
    ],
    tags=["files"],
)
