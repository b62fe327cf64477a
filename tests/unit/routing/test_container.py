"""Controllers and their dependencies."""

from __future__ import annotations

from typing import Any, TypeVar

import svcs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface

from tests.unit.routing.serving import Serving
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.errors import ConfigError
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.route import GET, Group

_T = TypeVar("_T")


class IStore(Interface):
    """An object that is registered under an interface."""


class Store:
    """A dependency."""


class Cache:
    """A dependency with a dependency."""

    def __init__(self, store: Store) -> None:
        self.store = store


class Users:
    """A controller."""

    def __init__(self, store: Store, cache: Cache, limit: int = 20) -> None:
        self.store, self.cache, self.limit = store, cache, limit

    def index(self) -> int:
        """Return a text."""
        return self.limit


class ByInterface:
    """A controller with an interface as dependency."""

    def __init__(self, store: IStore) -> None:
        self.store = store


class Bare:
    """A controller without annotations."""

    def __init__(self, store) -> None:  # type: ignore[no-untyped-def]
        self.store = store


class Unresolvable:
    """A controller with an unregistered dependency."""

    def __init__(self, store: Nonsense) -> None:  # type: ignore[name-defined]  # noqa: F821
        self.store = store


class Simple:
    """A controller without dependencies."""


class ServicesTests(SynchronousTestCase):
    """Creation of controllers."""

    def setUp(self) -> None:
        """Create an empty registry."""
        self.services = ServiceContainer({})

    def make(self, controller: type[_T]) -> _T:
        """Make a controller."""
        return run_without_waiting(self.services.make(controller))

    def register_all(self) -> None:
        """Register the dependencies."""
        self.services.registry.register_factory(Store, Store)
        self.services.registry.register_factory(
            Cache, lambda svcs_container: Cache(svcs_container.get(Store))
        )

    def refused(self, controller: type) -> ConfigError:
        """The error for a controller."""
        with self.assertRaises(ConfigError) as caught:
            self.make(controller)
        error: ConfigError = caught.exception
        self.assertEqual(error.where, f"{controller.__name__}.__init__")
        return error

    def test_arguments(self) -> None:
        """Annotations choose the arguments; each dependency is created once."""
        self.register_all()
        users, again = self.make(Users), self.make(Users)
        self.assertIsInstance(users.store, Store)
        self.assertIs(users.cache.store, users.store)
        self.assertIs(again.store, users.store)
        self.assertIsNot(again, users)

    def test_defaults(self) -> None:
        """A default is used if the type is not registered."""
        self.register_all()
        self.assertEqual(self.make(Users).limit, 20)
        self.services.registry.register_value(int, 3)
        self.assertEqual(self.make(Users).limit, 3)

    def test_interface(self) -> None:
        """A dependency can be an interface."""
        store = Store()
        self.services.registry.register_value(IStore, store)
        self.assertIs(self.make(ByInterface).store, store)

    def test_nothing_wanted(self) -> None:
        """A controller without ``__init__`` is created without arguments."""
        self.assertIsInstance(self.make(Simple), Simple)

    def test_unregistered(self) -> None:
        """The error names the unregistered type."""
        error = self.refused(Users)
        self.assertEqual(error.problem, "nothing is registered for 'store'")
        self.assertEqual(error.remedy, "register Store in the application's container")
        self.assertIn("test_container.IStore", self.refused(ByInterface).remedy)

    def test_unregistered_further_down(self) -> None:
        """The error names the unregistered dependency of a dependency; a default does not hide it."""
        self.register_all()
        self.services.registry.register_factory(int, lambda svcs_container: svcs_container.get(IStore))
        error = self.refused(Users)
        self.assertEqual(error.problem, "nothing is registered for 'limit'")
        self.assertIn("IStore", error.remedy)

    def test_annotations(self) -> None:
        """A parameter without an annotation, or with an unresolvable one, is an error."""
        self.assertIn("'store' has no annotation", str(self.refused(Bare)))
        self.assertIn("cannot be resolved", str(self.refused(Unresolvable)))

    def test_a_factory_that_fails(self) -> None:
        """Exceptions of an application's factory propagate."""
        self.services.registry.register_factory(Store, lambda: 1 / 0)
        self.assertRaises(ZeroDivisionError, self.make, Users)

    def test_close(self) -> None:
        """Closing closes the dependencies first and the registry last."""
        log: list[str] = []

        def store() -> Any:
            yield Store()
            log.append("store closed")

        self.register_all()
        self.services.registry.register_factory(
            Store, store, on_registry_close=lambda: log.append("registry closed")
        )
        self.make(Users)
        self.assertEqual(log, [])
        run_without_waiting(self.services.close())
        self.assertEqual(log, ["store closed", "registry closed"])


class ContainerTests(SynchronousTestCase):
    """The container function of the application."""

    def test_context(self) -> None:
        """The function is called once with the service context, before the controllers are created."""
        seen: list[ServiceContext] = []

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            seen.append(context)
            registry.register_factory(Store, Store)
            registry.register_factory(Cache, lambda svcs_container: Cache(svcs_container.get(Store)))

        Serving(Group("/a", Users, [GET("", Users.index)]), Group("/b", Users, []), container=register)
        [context] = seen
        self.assertEqual((context.name, context.folder), ("shop", "/srv"))
        self.assertEqual(context.options, {"colour": "red"})
        self.assertEqual(context.settings.app, "shop:app")

    def test_framework_values(self) -> None:
        """The application can use and replace the values of the framework."""
        ours, own = Store(), Store()
        seen: list[object] = []

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            seen.append(svcs.Container(registry).get(IStore))
            registry.register_value(IStore, own)

        serving = Serving(
            GET("/", container_action), Group("", ByInterface, []), container=register, values={IStore: ours}
        )
        self.assertEqual(seen, [ours])
        self.assertEqual(self.successResultOf(serving.start("GET", "/"))[1], id(own))


def container_action(container: svcs.Container) -> int:
    """Return values of the container."""
    return id(container.get_abstract(IStore))
