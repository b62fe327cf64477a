"""``unixsvc stub``: the command, and the generated modules."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.command_runner import CommandTestCase, failure, success
from tests.unit.cli.samples import everything_client, user_client
from tests.unit.stubs.stub_harness import (
    Recorder,
    everything_contract,
    load_module,
    made_from,
    outcome,
    user_contract,
)

SAMPLES = Path(__file__).parent / "samples"
CONTRACT: dict[str, Any] = {
    "title": "Shop",
    "version": "1.0",
    "routes": [{"method": "GET", "path": "/x", "result": {"type": "string"}}],
    "schemas": {},
}
THING = {
    "id": "6d7e6f4c-3c38-4d5b-a1f9-6a3b6cf2f5aa", "name": "a", "colour": "red", "level": 2,
    "date": "2026-01-02", "at": "2026-01-02T03:04:05Z", "lasts": "PT5S", "price": "1.50", "raw": "AQI=",
    "anything": {"a": [1]}, "nothing": None, "pair": [1, 2], "point": [0.5, 1.0], "mixed": [True],
    "shape": {"shape": "square", "side": 2.0}, "labels": {}, "owner": {"name": "Ada", "since": None},
    "kind": 1, "share": 0.25, "scores": {"a": 1.5}, "both": [2, "y"],
    "many": [{"value": 1, "children": [{"value": 2, "children": []}]}], "tags": ["t"], "day": "2025-12-31",
    "l": False,
}  # fmt: skip


class Command(CommandTestCase):
    def test_module(self) -> None:
        """It prints a module, and requests only the contract."""
        self.answer = success(CONTRACT)
        out = self.run_command("stub", "user")
        self.assertEqual((out.code, out.err, out.out), (0, "", made_from(CONTRACT, "user", "UserClient")))
        self.assertEqual([each.call.path for each in self.calls], ["/-/routes"])

    def test_header(self) -> None:
        """The module names its source and its generator."""
        self.answer = success(CONTRACT)
        text = load_module(self.run_command("stub", "user").out).__doc__ or ""
        for word in ["``user``", "Shop 1.0", "enerated by unixsvc stub"]:
            self.assertIn(word, text)

    def test_class(self) -> None:
        """The class has the given name, or that of the service."""
        self.answer = success(CONTRACT)
        self.assertIn("\nclass Anything:\n", self.run_command("stub", "user", "--class", "Anything").out)
        self.assertIn("\nclass UserClient:\n", self.run_command("stub", "user").out)

    def test_wrong_class(self) -> None:
        """An invalid or reserved class name is an error before any request."""
        for name in ["class", "a b", "1a", "", "Any", "Caller", "__x", "a\nb"]:
            outcome = self.run_command("stub", "user", "--class", name)
            self.assertError(outcome, 2, "not a valid class name")
        self.assertEqual(self.calls, [])

    def test_nonsense(self) -> None:
        """An invalid contract is an error."""
        for answer in [["what?"], {"routes": [{"method": 1}]}, {}]:
            self.answer = success(answer)
            self.assertError(self.run_command("stub", "user"), 5, "the contract cannot be read")

    def test_refused(self) -> None:
        """The error of the service is printed."""
        self.answer = failure(401, "auth_token is wrong")
        self.assertError(self.run_command("stub", "user"), 4, "401 Unauthorized: auth_token is wrong")

    def test_help(self) -> None:
        """It has help, and the options for the location."""
        out = self.run_command("stub", "--help").out
        for word in ["--class", "--config", "--socket-dir"]:
            self.assertIn(word, out)


class Samples(SynchronousTestCase):
    """The samples that tox checks are the generated text."""

    maxDiff = None

    def assertSample(self, name: str, text: str) -> None:
        """The file in ``samples`` is this text; if not, the text is written where the message says."""
        if (SAMPLES / name).read_text("utf-8") != text:
            made = self.mktemp()
            Path(made).write_text(text, "utf-8")
            self.fail(
                f"samples/{name} is not what is made. If that is right: cp {Path(made).resolve()} there"
            )

    def test_user(self) -> None:
        """The sample of the demo service ``user`` is current."""
        text = made_from(user_contract(self.folder()), "user", "UserClient")
        self.assertSample("user_client.py", text)

    def test_everything(self) -> None:
        """The sample of a service with all types is current."""
        text = made_from(everything_contract(), "everything", "EverythingClient")
        self.assertSample("everything_client.py", text)

    def folder(self) -> str:
        """Make a folder."""
        path = Path(self.mktemp())
        path.mkdir()
        return str(path)


class Calls(SynchronousTestCase):
    """Requests and results of the methods."""

    def test_arguments(self) -> None:
        """Only given arguments are sent, so that the defaults of the service apply."""
        caller = Recorder([], [{"id": 1, "name": "Ada"}])
        client = user_client.UserClient(caller)
        self.assertEqual(outcome(client.get_user()), [])
        self.assertEqual(outcome(client.get_user(limit=5)), [user_client.User(id=1, name="Ada")])
        self.assertEqual(caller.calls, [("GET", "/user", {}), ("GET", "/user", {"limit": 5})])

    def test_whole(self) -> None:
        """A struct is the whole data."""
        caller = Recorder({"id": 2, "name": "Ada"})
        made = outcome(user_client.UserClient(caller).post_user(user_client.NewUser(name="Ada")))
        self.assertEqual((made.id, made.name), (2, "Ada"))
        self.assertEqual(caller.calls, [("POST", "/user", {"name": "Ada"})])

    def test_nothing(self) -> None:
        """A method without a result returns None; one without arguments sends no data."""
        caller = Recorder(None)
        outcome(user_client.UserClient(caller).delete_user_by_id(7))
        self.assertEqual(caller.calls, [("DELETE", "/user/7", None)])

    def test_timeout(self) -> None:
        """The timeout is passed on; the default is that of the client."""
        caller = Recorder(None, None)
        client = user_client.UserClient(caller)
        outcome(client.delete_user_by_id(7, timeout=1.5))
        outcome(client.delete_user_by_id(7))
        self.assertEqual(caller.timeouts, [1.5, None])

    def test_names_in_use(self) -> None:
        """Arguments whose names collide with those of the method are sent under their own names."""
        caller = Recorder([])
        client = everything_client.EverythingClient(caller)
        outcome(client.get_root(text="a", timeout_=2.0, data=True, result="r", timeout=3.0))
        sent = {"text": "a", "timeout": 2.0, "data": True, "result": "r"}
        self.assertEqual((caller.calls, caller.timeouts), ([("GET", "/", sent)], [3.0]))

    def test_path(self) -> None:
        """Path variables are quoted; slashes only in a variable of one segment."""
        caller = Recorder("x")
        client = everything_client.EverythingClient(caller)
        outcome(client.get_files_by_name_é_20_by_rest("a/b?{c}", "d/é #"))
        self.assertEqual(
            caller.calls, [("GET", "/files/a%2Fb%3F%7Bc%7D/%C3%A9%2520%3F/d/%C3%A9%20%23", None)]
        )

    def test_stream(self) -> None:
        """Items of a stream are decoded; path variables are formatted as in JSON."""
        caller = Recorder({"a": [{"shape": "circle", "radius": 1.0}]}, {})
        client = everything_client.EverythingClient(caller)

        async def collect() -> list[Any]:
            day = dt.date(2026, 1, 2)
            return [each async for each in client.get_on_by_day_by_colour_by_share(day, "red", 0.5)]

        self.assertEqual(outcome(collect()), [{"a": [everything_client.Circle(radius=1.0)]}, {}])
        self.assertEqual(caller.calls, [("GET", "/on/2026-01-02/red/0.5", None)])

    def test_round_trip(self) -> None:
        """All types survive a round trip."""
        caller = Recorder(THING, THING)
        client = everything_client.EverythingClient(caller)
        thing = outcome(client.get_things_by_id(1))
        self.assertEqual(thing.id, uuid.UUID(THING["id"]))  # type: ignore[arg-type]  # a text, as above
        self.assertEqual((thing.date, thing.lasts), (dt.date(2026, 1, 2), dt.timedelta(seconds=5)))
        self.assertEqual((thing.shape, thing.raw), (everything_client.Square(side=2.0), b"\x01\x02"))
        self.assertEqual(outcome(client.post_things(thing)), thing)
        self.assertEqual(caller.calls[1], ("POST", "/things", THING))

    def test_defaults(self) -> None:
        """Missing fields have the default of the contract, or are unset."""
        optional = ["owner", "kind", "share", "scores", "both", "many", "tags", "day", "l"]
        given = {name: value for name, value in THING.items() if name not in optional}
        thing = msgspec.convert(given, everything_client.Thing)
        found = [thing.owner, thing.kind, thing.share, thing.scores, thing.both, thing.many, thing.l_]
        self.assertEqual(found, [None, "a", 0.5, {}, (1, "x"), [], True])
        self.assertEqual(thing.day, dt.date(2026, 1, 2))
        self.assertIs(thing.labels.first, msgspec.UNSET)

    def test_bounds(self) -> None:
        """Bounds are checked in results."""
        with self.assertRaises(msgspec.ValidationError):
            msgspec.convert({**THING, "name": "A"}, everything_client.Thing)
        with self.assertRaises(msgspec.ValidationError):
            msgspec.convert({"radius": 0}, everything_client.Circle)

    def test_unknown_fields(self) -> None:
        """Unknown fields are allowed in results, and forbidden in data."""
        with self.assertRaises(msgspec.ValidationError):
            msgspec.convert({"max-size": 1, "more": 2}, everything_client.Settings)
        msgspec.convert({**THING, "more": 2}, everything_client.Thing)
