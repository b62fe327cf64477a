"""``unixsvc call``, without sockets."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
from msgspec import Raw

from tests.unit.cli.command_runner import TOKEN, CommandTestCase, failure, success
from unixsvc.cli.call import Words, parse_words
from unixsvc.client.errors import BacklogFull
from unixsvc.errors import DeadlineExceeded


class RequestTests(CommandTestCase):
    def sent(self, *arguments: str, stdin: bytes | None = b"") -> tuple[str, str, Any]:
        """Method, path and data of the request of a command."""
        outcome = self.run_command("call", "user", *arguments, stdin=stdin)
        self.assertEqual(outcome.err, "")
        call = self.calls[-1].call
        return call.method, call.path, msgspec.json.decode(call.data)

    def test_get(self) -> None:
        """Without a method and without data it is a GET."""
        self.assertEqual(self.sent("/user"), ("GET", "/user", {}))

    def test_items(self) -> None:
        """``=`` gives strings, ``:=`` any JSON; with data, the default method is POST."""
        words = ["name=Ada", "age:=36", "tags:=[1, true]", "empty=", "a=b:=c=d"]
        data = {"name": "Ada", "age": 36, "tags": [1, True], "empty": "", "a": "b:=c=d"}
        self.assertEqual(self.sent("/user", *words), ("POST", "/user", data))

    def test_files(self) -> None:
        """``=@`` reads a string from a file, ``:=@`` any JSON."""
        text, tags = self.write("text", "two\nlines"), self.write("tags", '["a",\n1.50]')
        data = {"text": "two\nlines", "tags": ["a", 1.5], "name": "@ada"}
        words = [f"text=@{text}", f"tags:=@{tags}", 'name:="@ada"']
        self.assertEqual(self.sent("/user", *words), ("POST", "/user", data))

    def test_wrong_files(self) -> None:
        """A file that is missing, not JSON, or not UTF-8 is named."""
        with open(self.write("bytes"), "wb") as file:
            file.write(b"\xff")
        for word in ("a=@/nowhere", f"a=@{file.name}"):
            outcome = self.run_command("call", "user", "/", word)
            self.assertError(outcome, 2, word.removeprefix("a=@"))
        self.assertError(self.run_command("call", "user", "/", f"a:=@{file.name}"), 2, "a")

    def test_method(self) -> None:
        """The method can be given, in any case, with data or without."""
        self.assertEqual(self.sent("delete", "/user/7"), ("DELETE", "/user/7", {}))
        self.assertEqual(self.sent("GET", "/user", "limit:=2"), ("GET", "/user", {"limit": 2}))

    def test_query(self) -> None:
        """A query stays in the path."""
        self.assertEqual(self.sent("/user?limit=2&x=y"), ("GET", "/user?limit=2&x=y", {}))

    def test_data(self) -> None:
        """The data can come from the command line, a file, or standard input."""
        expected = ("POST", "/user", {"name": "Ada"})
        self.assertEqual(self.sent("/user", "--data", '{"name": "Ada"}'), expected)
        file = self.write("ada.json", '{"name":\n "Ada"}\n')
        self.assertEqual(self.sent("/user", "--data", f"@{file}"), expected)
        self.assertEqual(self.sent("/user", "--data", "-", stdin=b'{"name": "Ada"}'), expected)

    def test_other_data(self) -> None:
        """The data may be any JSON value: the service decides whether its action takes it."""
        self.assertEqual(self.sent("/total", "--data", "[1, 2]"), ("POST", "/total", [1, 2]))

    def test_headers(self) -> None:
        """Header fields are entries of ``meta``; several values of one are joined, as HTTP does."""
        fields = ("-H", "X-Tenant: acme", "--header", "x-ids:1", "-H", "X-Ids: 2 ")
        self.sent("/", *fields, "-H", "Cookie: a=1", "-H", "cookie: b=2")
        meta = {name: text for name, text in self.calls[-1].call.meta.items() if name != "request_id"}
        self.assertEqual(meta, {"x-tenant": "acme", "x-ids": "1, 2", "cookie": "a=1; b=2"})

    def test_one_line(self) -> None:
        """Line ends are removed from the data, as they would end the message; numbers are not changed."""
        self.sent("/user", "--data", '{\n"a": [1.50,\n12345678901234567890123]}')
        self.sent("/user", "b:=[\n1.50 ]")
        self.assertEqual(bytes(self.calls[0].call.data), b'{"a":[1.50,12345678901234567890123]}')
        self.assertEqual(bytes(self.calls[1].call.data), b'{"b":[1.50]}')

    def test_socket(self) -> None:
        """The request is sent to the socket in the configured directory, or that of ``--socket-dir``."""
        self.sent("/")
        self.assertEqual(self.calls[0].path, os.path.join(self.folder, "service_user.sock"))
        elsewhere = os.path.join(self.folder, "elsewhere")
        os.mkdir(elsewhere)
        self.write("elsewhere/service_user.sock")
        self.sent("/", "--socket-dir", elsewhere)
        self.assertEqual(self.calls[1].path, os.path.join(elsewhere, "service_user.sock"))

    def test_options_in_either_place(self) -> None:
        """``--config`` works before and after the name of the command."""
        other = self.write(
            "other.toml", 'socket_dir = "."\n[services.home]\napp = "x:y"\nrequest_timeout = 7.0'
        )
        self.run_command("--config", other, "call", "home", "/")
        self.run_command("call", "home", "/", "--config", other)
        self.assertEqual([each.timeout for each in self.calls], [7.0, 7.0])

    def test_seconds(self) -> None:
        """The timeout is the given one, or the request timeout of the service."""
        self.configure(
            'socket_dir = "."', "[limits]", "request_timeout = 9.0",
            "[services.home]", 'app = "x:y"', "request_timeout = 4.0",
        )  # fmt: skip
        self.run_command("call", "home", "/")
        self.run_command("call", "user", "/")
        self.run_command("call", "home", "/", "--timeout", "0.5")
        self.assertEqual([each.timeout for each in self.calls], [4.0, 9.0, 0.5])


class TokenTests(CommandTestCase):
    def token(self, policy: str) -> str | None:
        """The token that is sent under a policy."""
        self.configure(
            'socket_dir = "."', "[security]", f'token = "{policy}"', "[services.home]", 'app = "x:y"'
        )
        self.assertEqual(self.run_command("call", "home", "/").code, 0)
        return self.calls[-1].token

    def test_policies(self) -> None:
        """The token is sent unless it is not needed."""
        self.assertEqual(self.token("required"), TOKEN)
        self.assertEqual(self.token("private"), TOKEN)
        self.assertEqual(self.token("off"), None)

    def test_private_without(self) -> None:
        """Under ``private``, a call without a token is possible."""
        os.unlink(os.path.join(self.folder, ".auth_token"))
        self.assertEqual(self.token("private"), None)

    def test_missing(self) -> None:
        """Under ``required``, a missing token is an error before anything is sent."""
        os.unlink(os.path.join(self.folder, ".auth_token"))
        self.assertError(self.run_command("call", "home", "/"), 2, ".auth_token: there is no token")
        self.assertEqual(self.calls, [])

    def test_open_to_others(self) -> None:
        """A token file that other users can read is an error."""
        os.chmod(os.path.join(self.folder, ".auth_token"), 0o644)
        self.assertError(self.run_command("call", "home", "/"), 2, "chmod 600")
        self.assertEqual(self.calls, [])


class OutputTests(CommandTestCase):
    def test_stream(self) -> None:
        """Each item of a stream is printed on a line; an error comes after them."""
        self.items = [1, {"a": 2}]
        outcome = self.run_command("call", "user", "/prices")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, '1\n{"a": 2}\n', ""))
        self.answer = failure(404, "gone")
        outcome = self.run_command("call", "user", "/prices")
        self.assertEqual((outcome.code, outcome.out), (4, '1\n{"a": 2}\n'))
        self.assertIn("gone", outcome.err)

    def test_empty_stream(self) -> None:
        """With ``--stream``, an empty stream prints nothing, and there is no timeout by default."""
        outcome = self.run_command("call", "user", "/prices", "--stream")
        self.assertEqual((outcome.code, outcome.out), (0, ""))
        self.assertGreater(self.calls[0].timeout, 86_400)
        self.run_command("call", "user", "/prices", "--stream", "--timeout", "2")
        self.assertEqual(self.calls[1].timeout, 2.0)

    def test_no_stream(self) -> None:
        """With ``--stream``, a unary result is printed."""
        self.answer = success({"id": 7})
        self.assertEqual(self.run_command("call", "user", "/user/7", "--stream").out, '{"id": 7}\n')

    def test_stream_elsewhere(self) -> None:
        """A stream in reply to another command is an error."""
        self.items = [1]
        self.assertError(self.run_command("routes", "user"), 5, "stream")

    def test_result(self) -> None:
        """A result is printed as JSON on one line."""
        self.answer = success({"message": "Hello World!"})
        outcome = self.run_command("call", "home", "/")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, '{"message": "Hello World!"}\n', ""))

    def test_letters(self) -> None:
        """Letters of any script are not escaped; control characters are."""
        self.answer = success(["Žofie 李 🙂", "a\x9b31mb\x7f", "\u202e\u2028\U000e0041"])
        outcome = self.run_command("call", "home", "/")
        expected = r'["Žofie 李 🙂", "a\u009b31mb\u007f", "\u202e\u2028\udb40\udc41"]'
        self.assertEqual(outcome.out, expected + "\n")
        self.assertEqual(json.loads(outcome.out)[2], "\u202e\u2028\U000e0041")

    def test_not_utf8(self) -> None:
        """A result that is not UTF-8 is printed with replacement characters."""
        self.answer = Raw(b'"a\xffb"')
        self.assertEqual(self.run_command("call", "home", "/").out, '"a\N{REPLACEMENT CHARACTER}b"\n')

    def test_error(self) -> None:
        """An error is one line on standard error; the exit code is the first digit of its code."""
        self.answer = failure(404, "no user 7")
        self.assertError(self.run_command("call", "home", "/"), 4, "404 Not found: no user 7\n")
        self.answer = failure(405, {"allowed": ["GET", "POST"]})
        self.assertError(
            self.run_command("call", "home", "/"), 4, "405 Method not allowed: allowed: GET, POST\n"
        )
        self.answer = failure(503, {"retry_after": 1.0})
        self.assertError(self.run_command("call", "home", "/"), 5, "retry_after: 1.0\n")

    def test_internal_error(self) -> None:
        """A 500 has no reason, so the request id is printed, under which the log has it."""
        self.answer = failure(500)
        outcome = self.run_command("call", "home", "/")
        request_id = self.calls[0].call.meta["request_id"]
        reason = f"the log has the reason, under the request id {request_id}\n"
        self.assertError(outcome, 5, f"500 Internal Server Error: {reason}")
        self.run_command("call", "home", "/")
        self.assertNotEqual(self.calls[1].call.meta["request_id"], request_id)

    def test_full_backlog(self) -> None:
        """A backlog that stays full until the timeout is 504, as is any reply that does not come in time."""
        self.answer = BacklogFull("/run/service_home.sock", "the backlog is full", "see its log")
        outcome = self.run_command("call", "home", "/", "--timeout", "2")
        problem = "no answer within 2 s: /run/service_home.sock: the backlog is full\n"
        self.assertError(outcome, 5, f"504 Deadline exceeded: {problem}")

    def test_field_errors(self) -> None:
        """Invalid fields are listed below the error, one per line."""
        self.answer = failure(
            422, [{"field": "name", "message": "is required"}, {"field": "", "message": "bad"}]
        )
        outcome = self.run_command("call", "home", "/")
        self.assertEqual(outcome.err, "unixsvc: 422 Invalid arguments\n  name: is required\n  bad\n")
        self.assertEqual((outcome.code, outcome.out), (4, ""))

    def test_odd_details(self) -> None:
        """The error is one line without control characters, whatever its detail is."""
        for detail in [
            {"a": [1, {"b": "c"}]},
            "two\nlines \x9b31m\u202e",
            7,
            [],
            [1, 2],
            [{"field": "x"}],
            "",
        ]:
            self.answer = failure(409, detail)
            outcome = self.run_command("call", "home", "/")
            self.assertError(outcome, 4, "409 Conflict")
            self.assertNotRegex(outcome.err, "[\x9b\u202e]")

    def test_unknown_code(self) -> None:
        """An error with an unknown code is printed."""
        self.answer = failure(418, "short and stout")
        self.assertError(self.run_command("call", "home", "/"), 4, "418", "short and stout")

    def test_timeout(self) -> None:
        """After the timeout the exit code is 5."""
        self.answer = DeadlineExceeded("no answer within 1 s")
        self.assertError(self.run_command("call", "home", "/"), 5, "no answer within 1 s")

    def test_no_such_service(self) -> None:
        """For an unknown service, the error lists the services that exist."""
        for name in ["hom", "../x", ""]:
            outcome = self.run_command("call", name, "/")
            self.assertError(outcome, 5, f"no service {name!r}", "there are: home, user")

    def test_nothing_runs(self) -> None:
        """If no service runs, the error says how to start one."""
        for name in ["service_home.sock", "service_user.sock"]:
            os.unlink(os.path.join(self.folder, name))
        self.assertError(self.run_command("call", "home", "/"), 5, self.folder, "twistd -n unixsvc")


class TerminalTests(CommandTestCase):
    terminal = True

    def test_result(self) -> None:
        """On a terminal, the result is indented."""
        self.answer = success({"message": "Hello World! [bold]"})
        outcome = self.run_command("call", "home", "/")
        self.assertEqual(outcome.out, '{\n  "message": "Hello World! [bold]"\n}\n')

    def test_long_lines(self) -> None:
        """Lines are not wrapped, so that they can be copied."""
        self.answer = success("x" * 1000)
        self.assertEqual(self.run_command("call", "home", "/").out, '"' + "x" * 1000 + '"\n')


class UsageTests(CommandTestCase):
    def assertUsage(self, *arguments: str, says: str, stdin: bytes | None = b"") -> None:
        """The usage error is one line, and nothing is sent."""
        self.assertError(self.run_command("call", *arguments, stdin=stdin), 2, says)
        self.assertEqual(self.calls, [])

    def test_words(self) -> None:
        """A missing or invalid argument is named."""
        self.assertUsage(says="SERVICE")
        self.assertUsage("home", says="PATH is missing")
        self.assertUsage("home", "GET", says="PATH is missing")
        self.assertUsage("home", "GET", "user", says="'user' is not a path")
        self.assertUsage("home", "user/7", says="'user/7' is neither a method nor a path")
        self.assertUsage("home", "/", "Ada", says="'Ada' is not valid data")
        self.assertUsage("home", "/", "=Ada", says="'=Ada' is not valid data")
        self.assertUsage("home", "/", "--nme", says="--nme")

    def test_headers(self) -> None:
        """A header field has a name and a value."""
        for wrong in ("X-Tenant", ": a", "a b: c", ""):
            self.assertUsage("home", "/", "-H", wrong, says="is not 'NAME: VALUE'")

    def test_json(self) -> None:
        """Data that is not JSON is an error that names its source."""
        self.assertUsage("home", "/", "age:=x", says="age: not valid JSON")
        self.assertUsage("home", "/", "age:=", says="age: not valid JSON")
        self.assertUsage("home", "/", "age:=NaN", says="age: not valid JSON")
        self.assertUsage("home", "/", "--data", '{"a": -Infinity}', says="--data: not valid JSON")
        self.assertUsage("home", "/", "--data", "{", says="--data: not valid JSON")
        self.assertUsage("home", "/", "--data", "-", stdin=b"\xff", says="standard input: not valid JSON")
        self.assertUsage(
            "home", "/", "--data", "-", stdin=b'{"a": "\xff"}', says="standard input: not valid JSON"
        )
        self.assertUsage("home", "/", "--data", "[" * 100_000, says="--data: not valid JSON")

    def test_not_utf8(self) -> None:
        """Arguments that are not UTF-8 are an error of one line."""
        self.assertUsage("home", "/", "name=a\udcff", says=r"'a\udcff' is not valid UTF-8")
        self.assertUsage("home", "/", "\udcff=1", says=r"'\udcff' is not valid UTF-8")
        self.assertUsage("home", "/", "name:=\udcff", says="name: not valid JSON")
        self.assertUsage("home", "/", "--data", '{"a": "\udcff"}', says="--data: not valid JSON")
        long = "x" * 1_000 + "\udcff" + "x" * 1_000
        outcome = self.run_command("call", "home", "/", f"name={long}")
        self.assertLess(len(outcome.err), 100)

    def test_data_from_nowhere(self) -> None:
        """A missing file, or a closed standard input, is an error."""
        self.assertUsage("home", "/", "--data", "@no-such-file", says="no-such-file: No such file")
        self.assertUsage("home", "/", "--data", "-", stdin=None, says="standard input is closed")

    def test_data_twice(self) -> None:
        """``--data`` and items cannot be combined."""
        self.assertUsage("home", "/", "a=b", "--data", "{}", says="cannot be combined")

    def test_time(self) -> None:
        """The timeout must be a positive number."""
        for time in ["0", "-1", "nan", "inf", "soon"]:
            self.assertUsage("home", "/", "--timeout", time, says="--timeout")


class Parsing(CommandTestCase):
    def test_last_wins(self) -> None:
        """If a name is repeated, the last item is used."""
        self.assertEqual(parse_words(["/", "a=1", "a=2"]), Words("", "/", {"a": "2"}))
