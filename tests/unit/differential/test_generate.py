from __future__ import annotations

import json
import tomllib
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.generate.cli.commands import commands
from tests.differential.generate.cli.files import CONFIGURATIONS
from tests.differential.generate.http.conversations import abuse_conversations, http_conversation
from tests.differential.generate.http.requests import in_chunks
from tests.differential.generate.socket.conversations import socket_conversation
from tests.differential.generate.socket.drafts import Draft, cut_places, encoded, ids, rendered, woven
from tests.differential.generate.values import any_request, mutated
from tests.differential.http_messages import parse_responses
from tests.differential.steps import AnyStep, Send
from tests.unit.rest.abuse import HEADS

_MANY = range(300)


def _random(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311  # the same each time


class SocketConversationTests(SynchronousTestCase):
    def test_determinism(self) -> None:
        """A seed always gives the same conversation; other seeds give others."""
        found = [socket_conversation(seed) for seed in _MANY]
        self.assertEqual([socket_conversation(seed) for seed in _MANY], found)
        self.assertGreater(len({str(each.steps) for each in found}), 0.95 * len(found))

    def test_variety(self) -> None:
        """Conversations reach every service, and every ending occurs."""
        found = [socket_conversation(seed) for seed in range(3000)]
        self.assertEqual(
            {each.target for each in found},
            {
                *("required/main", "required/front", "required/hasty", "required/tight", "required/spare"),
                *("required/orchestrator", "private/main", "off/main", "shut/main"),
            },
        )
        names = {word for each in found for word in each.name.split()}
        for name in (
            "old_style",
            "not_json",
            "too_large",
            "gone",
            "crowd",
            "credit",
            "feed",
            "key",
            "cancel",
        ):
            self.assertIn(name, names)

    def test_ids(self) -> None:
        """No connection uses an id for two requests, except where that is tested."""
        new_id = ids(_random())
        found = [new_id() for _ in range(1000)]
        self.assertEqual(len(set(found)), len(found))


class RenderingTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Interleaved scenes keep the order of their steps, and no step is lost."""
        scenes = [[Draft(group, 0, {"n": number}) for number in range(5)] for group in range(4)]
        mixed = woven(_random(), scenes)
        for group, scene in enumerate(scenes):
            self.assertEqual([each for each in mixed if each.group == group], scene)

    def test_encoded(self) -> None:
        """A message in any notation has the same value, on one line."""
        fields = {"id": "ä\n", "path": "/x", "data": {"a": [1, None]}}
        found = {encoded(_random(seed), fields) for seed in range(50)}
        self.assertGreater(len(found), 5)
        for each in found:
            self.assertNotIn(b"\n", each)
            self.assertEqual(json.loads(each), fields)

    def test_token(self) -> None:
        """The token is added to messages without one; bytes are not changed."""
        drafts: list[Draft | AnyStep] = [
            Draft(1, 0, {"id": 1}), Draft(1, 0, {"auth_token": "own"}), Draft(1, 0, None, b"raw", b""),
        ]  # fmt: skip
        first, second, third = (
            each.data for each in rendered(_random(), drafts, lambda on: "shown") if isinstance(each, Send)
        )
        self.assertEqual(json.loads(first), {"auth_token": "shown", "id": 1})
        self.assertEqual(json.loads(second), {"auth_token": "own"})
        self.assertEqual(third, b"raw")

    def test_cuts_inside(self) -> None:
        """Cuts are inside the data, and sorted."""
        for seed in _MANY:
            cuts = cut_places(_random(seed), b"abcdefgh")
            self.assertEqual(list(cuts), sorted(set(cuts)))
            self.assertTrue(all(0 < each < 8 for each in cuts))

    def test_no_cut_behind_a_brace(self) -> None:
        """The first message is not cut where it could be a complete one without a line end."""
        data = b'{"a":{}} \r\n{"b":1}\n'
        for seed in range(2000):
            for cut in cut_places(_random(seed), data, first=True):
                self.assertFalse(cut <= 10 and data[:cut].rstrip().endswith(b"}"), cut)

    def test_nothing_to_cut(self) -> None:
        """One byte is not cut."""
        self.assertEqual(cut_places(_random(), b"a"), ())


class ValueTests(SynchronousTestCase):
    def test_requests(self) -> None:
        """A seed always gives the same requests, which can be encoded as JSON and have a path."""
        for seed in _MANY:
            names = any_request(_random(seed))
            self.assertEqual(any_request(_random(seed)), names)
            json.dumps(names.data)
            self.assertTrue(names.path.startswith("/"), names)

    def test_mutated(self) -> None:
        """Mutated data is a copy."""
        data = {"a": {"b": 1}, "c": [1, 2], "d": "x"}
        before = json.dumps(data)
        found = {json.dumps(mutated(_random(seed), data)) for seed in _MANY}
        self.assertGreater(len(found), 50)
        self.assertEqual(json.dumps(data), before)


class HttpConversationTests(SynchronousTestCase):
    def test_determinism(self) -> None:
        """A seed always gives the same conversation."""
        found = [http_conversation(seed) for seed in _MANY]
        self.assertEqual([http_conversation(seed) for seed in _MANY], found)
        self.assertTrue(all(each.http for each in found))

    def test_heads(self) -> None:
        """Heads are ASCII except where others are tested; they are complete, with a Host."""
        for seed in _MANY:
            for step in http_conversation(seed).steps:
                if isinstance(step, Send) and step.data.startswith(b"GET /item/1 HTTP/1.1"):
                    self.assertIn(b"\r\n\r\n", step.data)
                    self.assertIn(b"host:", step.data.lower())

    def test_abuse(self) -> None:
        """Each entry of the table is sent unchanged."""
        sent = [each.steps[0] for each in abuse_conversations(1)]
        data = [each.data for each in sent if isinstance(each, Send)]
        self.assertEqual(data[: len(HEADS)], [each.sent for each in HEADS])

    def test_chunks(self) -> None:
        """A chunked body has the content of the body."""
        for seed in range(50):
            data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            chunks = in_chunks(_random(seed), b"some text " * 30)
            if b";" in chunks or b": " in chunks:
                continue  # responses have neither extensions nor trailers
            [response], left = parse_responses(data + chunks, [b"GET"])
            self.assertEqual((response.body, response.whole, left), (b"some text " * 30, True, b""))


class CommandTests(SynchronousTestCase):
    def test_determinism(self) -> None:
        """A seed always gives the same commands, with the given number of random calls."""
        self.assertEqual(commands(3, 10), commands(3, 10))
        self.assertEqual(len(commands(3, 10)) - len(commands(3, 0)), 10)

    def test_help(self) -> None:
        """Each command is run with ``--help``."""
        names = {each.arguments[0] for each in commands(1, 0) if each.output == "help" and each.arguments}
        self.assertLessEqual({"call", "check", "ls", "routes", "status", "stub", "scale", "log-level"}, names)

    def test_arguments(self) -> None:
        """No argument has bytes that the kernel rejects."""
        for each in commands(5, 300):
            self.assertFalse([word for word in each.arguments if "\0" in word], each)

    def test_configurations(self) -> None:
        """All configurations except two are valid TOML, so their errors are those that are tested."""
        unreadable = []
        for name, text in CONFIGURATIONS.items():
            try:
                tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                unreadable.append(name)
        self.assertEqual(unreadable, ["no_toml", "bytes"])
