"""Routes and applications."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import assert_type

import svcs

from unixsvc import (
    GET,
    POST,
    App,
    Check,
    Created,
    Group,
    NotFound,
    Request,
    Route,
    RouteInfo,
    ServiceContext,
    cron,
    every,
)


class Items:
    """Actions."""

    def show(self, id: int) -> str:
        return f"item {id}"

    async def create(self, name: str, request: Request) -> Created[str]:
        return Created(name, request.path)


def hello(name: str = "World") -> str:
    return f"Hello {name}!"


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    registry.register_value(Items, Items())
    assert_type(context.options["database"], object)  # error: Any
    assert_type(context.name, str)


assert_type(GET("/hello", hello), Route)
GET("/hello", hello, public=True, title="Greet", tags=["words"], errors=[NotFound], meta={"cost": 1})
GET("/hello", hello, publik=True)  # error: publik
GET("/hello", hello, public="yes")  # error: public
GET("/hello", hello, errors=[ValueError])  # error: ValueError
GET("/hello", hello, True)  # error: positional
GET("/hello", "hello")  # error: __call__
GET(hello, "/hello")  # error: str
POST("/hello", hello, False, blocking=True)  # error: positional
Route("GET", "/hello", hello, publik=True)  # error: publik

routes: list[Group | Route] = [
    Group("/items", Items, [GET("/{id:int}", Items.show), POST("", Items.create)]),
    GET("/hello", hello),
]
GET("/{id:int}", Items.shwo)  # error: shwo
Group("/items", Items, [Items.show])  # error: Route
Group("/items", Items(), [GET("/{id:int}", Items.show)])  # error: type | None

app = App(routes, container=register, title="Items", mounts={"/users": "user"})
App(routes, contaner=register)  # error: contaner
App(routes, container=hello)  # error: container
App(routes, mounts={"/users": 7})  # error: int
Check(str.isupper, message="{value} is not in upper case")
Check(str.isupper, "{value} is not in upper case")  # error: positional


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncGenerator[Items, None]:
    assert_type(context.name, str)
    yield Items()


def report(error: BaseException, request: Request, route: RouteInfo | None) -> None:
    assert_type(request, Request)


App(routes, lifespan=lifespan, error_hook=report, schedules=[every("5m", hello), cron("0 3 * * *", hello)])
App(routes, lifespan=hello())  # error: lifespan
App(routes, error_hook=hello)  # error: error_hook
App(routes, schedules=[hello])  # error: Schedule
every("5m")  # error: job
