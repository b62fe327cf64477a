from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.websocket import Close
from unixsvc.errors import BadGateway, Malformed
from unixsvc.wire.messages import decode_client_message, encode_client_item
from unixsvc.wire.websockets import (
    WebSocketItem,
    decode_client_item,
    decode_server_item,
    encode_item,
    encode_message,
)


class ItemTests(SynchronousTestCase):
    def test_messages(self) -> None:
        """Text is text, bytes are base64; both come back, and have no line end."""
        for data, text in (('é\n"'.encode(), True), (b"\n\xff", False)):
            encoded = encode_message(data, text=text)
            self.assertNotIn(b"\n", encoded)
            self.assertEqual(decode_server_item(Raw(encoded)).message, data.decode() if text else data)

    def test_close(self) -> None:
        """An item has only the member that is set."""
        encoded = encode_item(WebSocketItem(close=Close(1000, "bye")))
        self.assertEqual(encoded, b'{"close":{"code":1000,"reason":"bye"}}')
        self.assertEqual(decode_client_item(Raw(encoded)).close, Close(1000, "bye"))

    def test_from_client(self) -> None:
        """A message of a client carries an item without looking into it."""
        line = encode_client_item(7, b'{"text":"a"}')
        message = decode_client_message(line.rstrip())
        self.assertEqual((message.id, message.item), (7, Raw(b'{"text":"a"}')))

    def test_invalid(self) -> None:
        """What is not an item is an error of the side that has sent it."""
        for item in (b"7", b'{"text": 7}', b'{"binary": "!"}', b'{"close": {}}'):
            with self.assertRaises(Malformed):
                decode_client_item(Raw(item))
            with self.assertRaises(BadGateway):
                decode_server_item(Raw(item))
