"""What type checkers see agrees with what runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.interface import InterfaceClass

import unixsvc
import unixsvc.typing
from unixsvc.client.aio.client import Client as AioClient
from unixsvc.client.base import ClientBase
from unixsvc.client.blocking.client import Client as BlockingClient
from unixsvc.client.twisted.client import Client as TwistedClient
from unixsvc.domain.call_options import CallOptions, StreamOptions

Methods = dict[str, ast.FunctionDef | ast.AsyncFunctionDef]


def class_in(module: object, name: str) -> ast.ClassDef:
    """The syntax tree of a class."""
    tree = ast.parse(inspect.getsource(import_module(str(module))))
    [found] = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name]
    return found


def functions(body: list[ast.stmt]) -> Methods:
    """The functions of a block."""
    found = (each for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name: each for each in found}


def type_checking_block(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements below ``if TYPE_CHECKING``."""
    [block] = [
        each for each in body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
    ]
    return block.body


class InterfaceTests(SynchronousTestCase):
    """The protocols beside the zope interfaces."""

    def described(self, name: str, module: str, *, has_self: bool) -> Iterator[object]:
        """Everything that is written about an interface, except for its bases."""
        found = class_in(module, name)
        yield ast.get_docstring(found)
        for method in functions(found.body).values():
            arguments = [*method.args.posonlyargs, *method.args.args]
            if has_self:
                self.assertEqual(arguments[0].arg, "self", f"{name}.{method.name}")
                (method.args.posonlyargs or method.args.args).pop(0)
            returns = method.returns and ast.unparse(method.returns)
            yield method.name, ast.unparse(method.args), returns, ast.get_docstring(method)

    def test_protocols(self) -> None:
        """Methods, parameters, annotations and docstrings are those of the zope interface."""
        for name in unixsvc.typing.__all__:
            interface = getattr(unixsvc, name)
            self.assertIsInstance(interface, InterfaceClass)
            self.assertEqual(
                [*self.described(name, "unixsvc.typing", has_self=True)],
                [*self.described(name, interface.__module__, has_self=False)],
            )

    def test_public_names(self) -> None:
        """Type checkers take the public names for the protocols."""
        tree = ast.parse(inspect.getsource(unixsvc))
        imports = (each for each in type_checking_block(tree.body) if isinstance(each, ast.ImportFrom))
        imported = {each.module: {alias.name for alias in each.names} for each in imports}
        self.assertEqual(imported["unixsvc.typing"], set(unixsvc.typing.__all__))


class ClientTests(SynchronousTestCase):
    """The methods of the three clients."""

    def parameters(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        """The parameters, with those that are options, and their annotations without the type variable."""
        arguments = method.args
        found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.kwarg]
        texts = {ast.unparse(each).replace("ResultT", "Json") for each in found if each is not None}
        for options in CallOptions, StreamOptions:
            if f"options: Unpack[{options.__name__}]" in texts:
                texts.remove(f"options: Unpack[{options.__name__}]")
                texts |= {
                    f"{name}: {options.__annotations__[name].__forward_arg__}"
                    for name in options.__annotations__
                }
        return texts

    def test_parameters(self) -> None:
        """Each client declares the methods of its base again, with the same parameters."""
        base = functions(class_in(ClientBase.__module__, "ClientBase").body)
        calls = {
            name for name, method in base.items() if "type" in {each.arg for each in method.args.kwonlyargs}
        }
        self.assertEqual(calls, {"call", "stream", "get", "post", "put", "patch", "delete"})
        for client in TwistedClient, AioClient, BlockingClient:
            declared = functions(type_checking_block(class_in(client.__module__, "Client").body))
            self.assertEqual({*declared}, calls)
            for name, method in declared.items():
                self.assertEqual(self.parameters(method), self.parameters(base[name]), f"{client}.{name}")
