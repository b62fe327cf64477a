"""Tests of dependencies and of the bounds of values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.settings import ResourceLimits, ServiceSettings, start_order
from unixsvc.errors import ConfigError


def services_of(**dependencies: str) -> dict[str, ServiceSettings]:
    """Services that depend on the services of the given letters."""
    return {
        name: ServiceSettings(f"{name}:app", depends_on=tuple(others))
        for name, others in dependencies.items()
    }


def depending(*others: str) -> str:
    """A configuration whose first service has dependencies; there are two more services."""
    on = f"depends_on = {list(others)}\n"
    return SERVICE + on + "".join(f'\n[services.{name}]\napp = "x:y"\n' for name in ("user", "mail"))


class DependencyTests(ConfigTestCase):
    """Dependencies in a file."""

    def test_fine(self) -> None:
        """A service may depend on any others, in any order in the file."""
        for others in ([], ["user"], ["mail", "user"], ["user", "user"]):
            self.assertEqual(self.load(depending(*others)).services["home"].depends_on, tuple(others))

    def test_unknown(self) -> None:
        """An unknown dependency is named, with the service that has it."""
        self.assert_refused(
            depending("user", "users"), "services.home.depends_on: there is no service 'users'"
        )
        self.assert_refused(depending("orchestrator"), "there is no service 'orchestrator'")

    def test_cycle(self) -> None:
        """A cycle is shown: each service depends on the next."""
        text = depending("user").replace("[services.user]", '[services.user]\ndepends_on = ["home"]')
        with self.assertRaises(ConfigError) as caught:
            self.load(text)
        problem, _, remedy = str(caught.exception).partition("; ")
        circle = problem.partition(": services: depend on each other: ")[2]
        self.assertIn(circle, ("home -> user -> home", "user -> home -> user"))
        self.assertEqual(remedy, "remove one of these dependencies")

    def test_itself(self) -> None:
        """A service cannot depend on itself."""
        self.assert_refused(depending("home"), "services: depend on each other: home -> home")


class OrderTests(SynchronousTestCase):
    """The start order."""

    def test_order(self) -> None:
        """Each service comes once, after its dependencies."""
        order = start_order(services_of(a="bc", b="d", c="d", d="", e=""))
        self.assertEqual(sorted(order), ["a", "b", "c", "d", "e"])
        places = {name: place for place, name in enumerate(order)}
        self.assertTrue(places["d"] < places["b"] < places["a"] > places["c"] > places["d"])

    def test_nothing(self) -> None:
        """Without services the order is empty; independent services have any order."""
        self.assertEqual(start_order({}), [])
        self.assertEqual(sorted(start_order(services_of(b="", a=""))), ["a", "b"])

    def test_direction_of_a_cycle(self) -> None:
        """Each arrow leads to a dependency; services outside the cycle are not named."""
        with self.assertRaises(ConfigError) as caught:
            start_order(services_of(a="b", b="c", c="a", d="a", e=""), "the file")
        where, _, circle = str(caught.exception).partition(";")[0].partition(" depend on each other: ")
        self.assertEqual(where, "the file: services:")
        self.assertIn(circle, ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"))

    @given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=10))
    def test_without_cycles(self, depths: list[set[int]]) -> None:
        """Without cycles there is always a correct order."""
        services = {
            str(n): ServiceSettings("x:y", depends_on=tuple(str(other) for other in others if other < n))
            for n, others in enumerate(depths)
        }
        seen: set[str] = set()
        for name in start_order(services):
            self.assertTrue(seen.issuperset(services[name].depends_on))
            seen.add(name)
        self.assertEqual(seen, set(services))


class BoundTests(ConfigTestCase):
    """Values out of bounds are refused."""

    def test_resource_limits(self) -> None:
        """Each limit is optional."""
        for text, limits in (
            ("{}", ResourceLimits()),
            ("{ open_files = 1 }", ResourceLimits(open_files=1)),
            ("{ memory = 9223372036854775807 }", ResourceLimits(memory=2**63 - 1)),
        ):
            self.assertEqual(self.load(SERVICE + f"rlimits = {text}").services["home"].rlimits, limits)

    def test_resource_limits_misspelt(self) -> None:
        """An unknown key is named, with a similar key of the same table."""
        for key, meant in (("open_file", "open_files"), ("memry", "memory")):
            words = f"services.home.rlimits.{key} is unknown (did you mean '{meant}'?)"
            self.assert_refused(SERVICE + f"rlimits = {{ {key} = 5 }}", words)
            self.assert_refused(SERVICE + f"[services.home.rlimits]\n{key} = 5", words)
        with self.assertRaises(ConfigError) as caught:
            self.load(SERVICE + "rlimits = { workers = 5 }")
        self.assertTrue(str(caught.exception).endswith("services.home.rlimits.workers is unknown"))

    def test_misspelt_in_a_service_of_that_name(self) -> None:
        """A service may have the name of a table; its keys are those of a service."""
        self.assert_refused(
            '[services.rlimits]\napp = "x:y"\nworker = 5',
            "services.rlimits.worker is unknown (did you mean 'workers'?)",
        )

    def test_bounds(self) -> None:
        """A value out of bounds is named with the bound."""
        for text, words in (
            ("rlimits = { open_files = 0 }", "rlimits.open_files expected `int` >= 1"),
            ("rlimits = { memory = 0 }", "rlimits.memory expected `int` >= 1"),
            ("rlimits = { memory = 9223372036854775808 }", "rlimits.memory"),
            ("watchdog = 0", "watchdog expected `float` > 0.0"),
            ("watchdog = inf", "watchdog expected `float` <= 1000000.0"),
            ("start_limit = 0", "start_limit expected `int` >= 1"),
            ("start_interval = 0", "start_interval expected `float` > 0.0"),
            ("stable_after = -1", "stable_after expected `float` > 0.0"),
            ("max_requests = -1", "max_requests expected `int` >= 0"),
            ("max_memory = -1", "max_memory expected `int` >= 0"),
            ("max_memory = 9223372036854775808", "max_memory"),
            ("max_age = -0.5", "max_age expected `float` >= 0.0"),
            ("max_age = 1e10", "max_age expected `float` <= 1000000000.0"),
            ("essential = 1", "essential expected `bool`, got `int`"),
            ("depends_on = [1]", "depends_on[0] expected `str`, got `int`"),
            ("user = 1000", "user expected `str`, got `int`"),
        ):
            self.assert_refused(SERVICE + text, f"services.home.{words}")

    def test_umask(self) -> None:
        """A umask is empty, or three octal digits with an optional leading 0."""
        for text in ("022", "0027", "777", ""):
            self.assertEqual(self.load(SERVICE + f'umask = "{text}"').services["home"].umask, text)
        for text in ('"22"', '"1022"', '"0o22"', '"888"', '"u=rwx"', "22"):
            self.assert_refused(SERVICE + f"umask = {text}", "services.home.umask expected `str`")

    def test_environment(self) -> None:
        """An invalid environment variable is refused; an unusual name is accepted."""
        for name in ("", "A=B", "="):
            self.assert_refused(
                SERVICE + f'environment = {{ "{name}" = "x" }}',
                "services.home.environment: ",
                "cannot be an environment variable",
            )
        for name in ("lower", "WITH SPACE", "é"):
            text = SERVICE + f'environment = {{ "{name}" = "" }}'
            self.assertEqual(self.load(text).services["home"].environment, {name: ""})
