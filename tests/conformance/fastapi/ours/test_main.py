from unixsvc.testing import MemoryHttp

from .main import app
from .users import create_token


def client() -> MemoryHttp:
    return MemoryHttp(app)


def authorization(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(name)}"}


def test_item() -> None:
    http = client()
    assert http.get("/items/1").wait().json()["name"] == "Plumbus"
    assert http.get("/items/99").wait().status_code == 404


def test_create() -> None:
    http, new = client(), {"name": "Cup", "price": 2}
    assert http.post("/items", json=new).wait().status_code == 401
    created = http.post("/items", json=new, headers=authorization("ada")).wait()
    assert (created.status_code, created.headers["Location"]) == (201, "/items/3")
    assert http.post("/items", json={"name": ""}, headers=authorization("ada")).wait().status_code == 422


def test_admin() -> None:
    http = client()
    assert http.post("/admin", headers=authorization("ada")).wait().status_code == 403
    assert http.post("/admin", headers=authorization("root")).wait().status_code == 200


def test_upload() -> None:
    stored = client().post("/files", data={"token": "t"}, files={"file": ("a.txt", b"abc")}).wait()
    assert stored.json() == {"token": "t", "sizes": {"a.txt": 3}}


def test_chat() -> None:
    socket = client().websocket("/items/foo/ws")
    socket.send("Hi")
    assert socket.receive(str).wait() == "Message text was: Hi, for item ID: foo"
