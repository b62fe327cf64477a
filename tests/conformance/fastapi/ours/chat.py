from unixsvc import WEBSOCKET, WebSocket


async def chat(item_id: str, socket: WebSocket[str, str]) -> None:
    async for text in socket:
        await socket.send(f"Message text was: {text}, for item ID: {item_id}")


route = WEBSOCKET("/items/{item_id}/ws", chat, public=True)
