from fastapi.testclient import TestClient

from .dependencies import create_token
from .main import app

client = TestClient(app)


def authorization(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(name)}"}


def test_item() -> None:
    assert client.get("/items/1").json()["name"] == "Plumbus"
    assert client.get("/items/99").status_code == 404


def test_create() -> None:
    new = {"name": "Cup", "price": 2}
    assert client.post("/items", json=new).status_code == 401
    created = client.post("/items", json=new, headers=authorization("ada"))
    assert (created.status_code, created.headers["Location"]) == (201, "/items/3")
    assert client.post("/items", json={"name": ""}, headers=authorization("ada")).status_code == 422


def test_admin() -> None:
    assert client.post("/admin", headers=authorization("ada")).status_code == 403
    assert client.post("/admin", headers=authorization("root")).status_code == 200


def test_upload() -> None:
    stored = client.post("/files", data={"token": "t"}, files={"file": ("a.txt", b"abc")})
    assert stored.json() == {"token": "t", "sizes": {"a.txt": 3}}


def test_chat() -> None:
    with client.websocket_connect("/items/foo/ws") as socket:
        socket.send_text("Hi")
        assert socket.receive_text() == "Message text was: Hi, for item ID: foo"
