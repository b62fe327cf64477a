"""An application in this process: its lifespan, its container and its controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from twisted.logger import Logger

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.routing.app import App
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.route import Group
from unixsvc.service.lifespan import RunningLifespan, declared_type

if TYPE_CHECKING:
    from unixsvc.interception.call import Interceptor

__all__ = ["RunningApplication", "make_controllers", "make_interceptors", "start_application"]


class RunningApplication(Struct, frozen=True):
    """An application that has started.

    :ivar controllers: by their classes.
    :ivar interceptors: with instances in place of classes.
    """

    app: App
    container: ServiceContainer
    controllers: Mapping[type, object]
    lifespan: RunningLifespan | None
    runner: ActionRunner
    interceptors: Sequence[Interceptor] = ()

    async def close(self) -> None:
        """Close the container, and leave the lifespan."""
        await self.runner.run(self.container.close())
        if self.lifespan is not None:
            await self.lifespan.leave()


async def start_application(
    app: App,
    context: ServiceContext,
    values: Mapping[type, object],
    runner: ActionRunner,
    on_failure: Callable[[BaseException], None],
) -> RunningApplication:
    """Enter the lifespan, fill the container, and make the controllers.

    :param values: registered before the application registers its own, by type.
    :param on_failure: called if the lifespan ends by itself.
    :raises Exception: what the application raises; the lifespan is left then.
    """
    lifespan = None
    container = ServiceContainer(values)
    if app.lifespan is not None:
        lifespan = RunningLifespan(app.lifespan, context, runner, on_failure)
        container.provide(await lifespan.enter(), declared_type(app.lifespan))
    try:
        if app.container is not None:
            app.container(container.registry, context)
        controllers = await runner.run(make_controllers(app, container))
        interceptors = await runner.run(make_interceptors(app, container))
    except BaseException:
        await _end(container, lifespan, context.name)
        raise
    return RunningApplication(app, container, controllers, lifespan, runner, interceptors)


async def make_controllers(app: App, container: ServiceContainer) -> dict[type, object]:
    """Make the controllers of an application, with their dependencies.

    :returns: the controllers by their classes.
    """
    classes = [entry.controller for entry in app.routes if isinstance(entry, Group) and entry.controller]
    return {controller: await container.make(controller) for controller in dict.fromkeys(classes)}


async def make_interceptors(app: App, container: ServiceContainer) -> list[Interceptor]:
    """Return the interceptors of an application, with instances in place of classes.

    :raises ConfigError: if one cannot be called, or if its arguments are not in the container.
    """
    if not app.interceptors:
        return []
    # Late: few applications have interceptors.
    from unixsvc.interception.chain import check_interceptors

    check_interceptors(app.interceptors, "interceptors")
    return [
        cast("Interceptor", await container.make(each)) if isinstance(each, type) else each
        for each in app.interceptors
    ]


async def _end(container: ServiceContainer, lifespan: RunningLifespan | None, service: str) -> None:
    await container.close()
    if lifespan is None:
        return
    try:
        await lifespan.leave()
    except Exception:  # the first error is the one that matters; this one is the application's, too
        Logger(namespace=service).failure("the lifespan failed at its end")
