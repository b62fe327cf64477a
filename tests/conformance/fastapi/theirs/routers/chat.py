from fastapi import APIRouter, WebSocket, WebSocketDisconnect

router = APIRouter()


@router.websocket("/items/{item_id}/ws")
async def chat(socket: WebSocket, item_id: str) -> None:
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            await socket.send_text(f"Message text was: {text}, for item ID: {item_id}")
    except WebSocketDisconnect:
        pass
