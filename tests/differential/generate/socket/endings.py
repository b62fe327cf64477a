"""The last scene of a conversation on a socket, which ends the connection from either side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.differential.generate.socket.drafts import TOKEN, Scene
from tests.differential.generate.socket.simple import simple
from tests.differential.generate.values import any_request

__all__ = ["ENDINGS", "HASTY", "MAX_MESSAGE", "OLD", "SIMPLE_ENDINGS", "TIGHT", "old_style"]

MAX_MESSAGE: Final = 65_536
"""The largest message that the services take, as in their configuration."""

_GARBAGE: Final = (
    b"hello", b"{", b"}", b'{"path":"/item/1"', b'{"path":"/item/1"}}', b'{"path":"/item/1"} x', b'{"path":}',
    b"{'path':'/item/1'}", b'{"path":"/item/1",}', b'{"path":"/ite\xff"}', b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b'{"id":1,"timeout":NaN}', b'{"id":1,"timeout":Infinity}', b"[" * 5000,
    b'{"data":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b'{"path":"/\xed\xa0\x80"}', b'{"path":"\\ud800"}', b'{"path":"/a\x01"}', b"\x00",
    b'{"path":"/item/1"\x00}', b"nul", b"01",
    b'{"path":"/item/1"}{"path":"/item/2"}', b'{"data":{"a":\xc3}}', b'{"id":"\\x"}', b"GET / HTTP/1.1\r",
    b'{"a" "b"}', b"1 2",
    b'"\\ud83d"', b"// {}",
)  # fmt: skip
_NESTED: Final = (
    b' {"data":{"value":{"a":{"b":"}"}}},"method":"PUT","path":"/echo","auth_token":"%b"} ' % TOKEN.encode()
)


def nothing(scene: Scene) -> None:
    """The client sends nothing more; all connections are closed at the end."""


def not_json(scene: Scene) -> None:
    """Bytes that are not JSON; later messages are not served."""
    random = scene.random
    waits = random.random() < 0.3
    bare = random.random() < 0.5
    if waits and bare:
        scene.say(path=f"/gate/{scene.gate}")
    elif waits:
        scene.ask(f"/gate/{scene.gate}")
    scene.send(random.choice(_GARBAGE))
    if random.random() < 0.5:
        simple(scene)
    if waits:
        scene.answer(f"/gate/{scene.gate}/started")
        scene.answer(f"/gate/{scene.gate}/open", "POST")
    scene.closed()


def too_large(scene: Scene) -> None:
    """A message at the limit, or over it, with its line end or without."""
    random = scene.random
    empty = json.dumps(
        {"id": "large", "auth_token": TOKEN, "method": "PUT", "path": "/echo", "data": {"value": ""}}
    ).encode()
    over = random.choice((-1, 0, 1, 2, 5000, 200_000))
    letters = b"x" * (MAX_MESSAGE + over - len(empty))
    message = empty.replace(b'""', b'"' + letters + b'"')
    if random.random() < 0.3:
        simple(scene)
    scene.send(message, random.choice((b"\n", b"\n", b"")) if over > 0 else b"\n")
    if over > 0:
        simple(scene)
        scene.closed()
    else:
        scene.until("large")


def shut_while_waiting(scene: Scene) -> None:
    """The client shuts down its sending side, and gets its replies."""
    random = scene.random
    waits = scene.ask(f"/gate/{scene.gate}")
    if random.random() < 0.5:
        scene.say(path=f"/gate/{scene.gate}")
    simple(scene)
    if random.random() < 0.4:
        scene.ask(f"/feed/{scene.gate}f")
    else:
        scene.answer(f"/gate/{scene.gate}f/open", "POST")
    scene.shut()
    scene.answer(f"/feed/{scene.gate}f/push", "POST", data={"items": [1, 2], "over": True})
    scene.answer(f"/gate/{scene.gate}/started")
    scene.answer(f"/gate/{scene.gate}/open", "POST")
    scene.until(waits)
    scene.closed()


def unended(scene: Scene) -> None:
    """The end of input ends the last message, which may be complete or not."""
    random = scene.random
    last = random.choice((
        b'{"id":"last","path":"/item/1"}', b'{"id":"last","path":"/item/', b" ", b"x",
        b'{"id":"last","cancel":true}', b"[]",
        b'{"id":"last","path":"/item/1"}  \r', b'{"id":"last","path":"/gate/never","timeout":0.02}', b"\xff",
        b'{"id":"last"',
    ))  # fmt: skip
    scene.send(last, b"")
    scene.shut()
    scene.closed()


def gone(scene: Scene) -> None:
    """The client disconnects while its requests are pending; another one reads how the actions have ended."""
    random = scene.random
    way = random.choice(("", "", "/shielded", "/stubborn", "/slow"))
    scene.ask(f"/gate/{scene.gate}{way}")
    if random.random() < 0.4:
        scene.ask(f"/feed/{scene.gate}")
        count = 2
    else:
        count = 1
    scene.answer(f"/gate/{scene.gate}/started", data={"count": count})
    scene.drop()
    if way == "/shielded":
        scene.answer(f"/gate/{scene.gate}/ends", data={"count": count - 1})
        scene.answer(f"/gate/{scene.gate}/open", "POST")
    scene.answer(f"/gate/{scene.gate}/ends", data={"count": count})
    scene.answer(f"/gate/{scene.gate}.clean/open", "POST")


def wrong_tokens(scene: Scene) -> None:
    """Wrong tokens, until the connection is closed."""
    random = scene.random
    for _ in range(random.choice((3, 4, 5, 6, 8))):
        fields: dict[str, Any] = {
            "auth_token": random.choice(("f" * 64, "", "wrong", "ü")),
            "path": "/item/1",
        }
        if random.random() < 0.6:
            fields["id"] = scene.new_id()
        scene.say(**fields)
    scene.ask_for(any_request(random), auth_token=TOKEN)


def crowd(scene: Scene) -> None:
    """The maximum of pending requests; later ones are not read."""
    random = scene.random
    count = random.choice((127, 128, 129, 140))
    for _ in range(count):
        scene.ask(f"/gate/{scene.gate}")
    scene.ask("/item/1")
    scene.say(path="/item/2")
    scene.answer(f"/gate/{scene.gate}/started", data={"count": 127})
    scene.answer(f"/gate/{scene.gate}/open", "POST")


def many_streams(scene: Scene) -> None:
    """The maximum of streams on a connection, and more."""
    count = scene.random.choice((128, 129, 131))
    found = [scene.ask("/count", data={"to": 2}, credit=0) for _ in range(count)]
    scene.sync()
    for each in found[:128]:
        scene.say(id=each, credit=5)
    for each in found:
        scene.until(each)


def slow_reader(scene: Scene) -> None:
    """A client that stops reading for a while, so that the server must stop reading, too."""
    random = scene.random
    scene.hold()
    for _ in range(random.choice((5, 20))):
        scene.ask(f"/large/{random.choice((1000, 100_000, 300_000))}")
    if random.random() < 0.5:
        scene.ask("/count", data={"to": 300, "size": 2000})
    for _ in range(random.choice((1, 30))):
        scene.ask_for(any_request(random))
    scene.pause(0.02)
    scene.read()


def old_style(scene: Scene) -> None:
    """The exchange of the original system: one object without a line end, one reply, the end."""
    random = scene.random
    sample = any_request(random)
    fields: dict[str, Any] = {"method": sample.method, "path": sample.target}
    if sample.data is not None:
        fields["data"] = sample.data
    if random.random() < 0.8:
        fields["auth_token"] = random.choice((TOKEN, TOKEN, TOKEN, "wrong"))
    if random.random() < 0.15:
        fields["path"] = random.choice(("/count", "/stream/raw", "/stream/fail"))
    if random.random() < 0.1:
        fields["oneway"] = True
    text = json.dumps(fields, ensure_ascii=random.random() < 0.5).encode()
    text = random.choice((
        text, text, text, text, random.choice(_GARBAGE), b'{"path":1}', _NESTED,
        text[:-1] + b',"unknown":"a } brace \\" } {"}',
        text[:-1] + b',"id":"given"}',  # so it is served at the end of input
    ))  # fmt: skip
    scene.send(text, b"")
    if text in _GARBAGE or b'"given"' in text or b"oneway" in text:
        scene.shut()
    scene.closed()


def waits_in_old_style(scene: Scene) -> None:
    """The same, with an action that waits, or exceeds its deadline."""
    random = scene.random
    if random.random() < 0.5:
        scene.send(b'{"path":"/gate/x","timeout":0.02,"auth_token":"%b"}' % TOKEN.encode(), b"")
    else:
        scene.send(b'{"path":"/gate/%b","auth_token":"%b"}' % (scene.gate.encode(), TOKEN.encode()), b"")
        scene.answer(f"/gate/{scene.gate}/started")
        scene.answer(f"/gate/{scene.gate}/open", "POST")
    scene.closed()


def _late_partial(scene: Scene) -> None:
    """A message that is not completed in time."""
    if scene.random.random() < 0.5:
        scene.until(scene.ask("/item/1"))
    scene.send(scene.random.choice((b'{"id":1', b"x", b'{"id":1,"path":"/item/1"}')), b"")
    scene.closed()


def _idle(scene: Scene) -> None:
    """An idle connection."""
    if scene.random.random() < 0.5:
        scene.until(scene.ask("/item/1"))
    else:
        scene.send(b"", b"")
    scene.closed()


def _held_stream(scene: Scene) -> None:
    """A stream that waits for credit for too long."""
    scene.ask("/count", data={"to": 5}, credit=2)
    scene.closed()


def _server_limit(scene: Scene) -> None:
    """An action that exceeds the server's limit, whatever the client's deadline."""
    scene.until(scene.ask(f"/gate/{scene.gate}", timeout=50))
    scene.until(scene.ask(f"/feed/{scene.gate}"))


def _inflight(scene: Scene) -> None:
    """More pending requests than the limit of a worker."""
    found = [scene.ask(f"/gate/{scene.gate}") for _ in range(3)]
    scene.until(scene.ask("/item/1"))
    scene.until(scene.ask("/count", data={"to": 1}))
    scene.say(path="/item/2")
    scene.say(id=found[0], cancel=True)
    scene.until(found[0])
    scene.until(scene.ask("/item/3"))
    held = scene.ask("/count", data={"to": 5}, credit=1)
    scene.until(scene.ask("/item/4"))
    scene.say(id=held, cancel=True)
    scene.until(held)
    scene.open()
    scene.until(found[1])
    scene.until(found[2])


def _connections(scene: Scene) -> None:
    """More connections than the limit of a worker."""
    for number in range(4):
        scene.until(scene.ask("/item/1", "", number, auth_token=TOKEN), on=number)
    scene.send(b"", b"", on=4)
    scene.closed(on=4)
    scene.until(scene.ask("/item/2"))


Endings = Sequence[tuple[Callable[[Scene], None], int]]
SIMPLE_ENDINGS: Final[Endings] = ((nothing, 10), (wrong_tokens, 10), (unended, 2))
ENDINGS: Final[Endings] = (
    (nothing, 40), (not_json, 14), (too_large, 5), (shut_while_waiting, 6), (unended, 6), (gone, 8),
    (wrong_tokens, 2), (crowd, 1),
    (many_streams, 1), (slow_reader, 2),
)  # fmt: skip
OLD: Final[Endings] = ((old_style, 8), (waits_in_old_style, 2))
HASTY: Final[Endings] = ((_late_partial, 3), (_idle, 2), (_held_stream, 1), (_server_limit, 2))
TIGHT: Final[Endings] = ((_inflight, 1), (_connections, 1))
