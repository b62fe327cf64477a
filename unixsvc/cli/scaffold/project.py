"""The files of a new project."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from unixsvc.cli.scaffold.names import ProjectName
from unixsvc.config.schema import schema_text
from unixsvc.errors import ConfigError

__all__ = ["create_project", "project_files"]

# The templates, by the path in the project.
_FILES: Final = {
    ".dockerignore": "dockerignore",
    ".github/workflows/ci.yml": "ci.yml",
    ".gitignore": "gitignore",
    "Dockerfile": "Dockerfile",
    "README.md": "README.md",
    "deploy/$name.service": "unit.service",
    "deploy/production.toml": "production.toml",
    "pyproject.toml": "pyproject.toml",
    "tox.ini": "tox.ini",
    "unixsvc.toml": "unixsvc.toml",
    "$package/__init__.py": "package/__init__.py",
    "$package/container.py": "package/container.py",
    "$package/controllers.py": "package/controllers.py",
    "$package/items.py": "package/items.py",
    "$package/py.typed": "package/py.typed",
    "$package/routes.py": "package/routes.py",
    "$package/sqlite.py": "package/sqlite.py",
    "tests/__init__.py": "tests/__init__.py",
    "tests/test_app.py": "tests/test_app.py",
    "tests/test_sqlite.py": "tests/test_sqlite.py",
}
# For editors, which the configurations refer to; not a template.
_SCHEMA: Final = "unixsvc.schema.json"
# Parts of those files, empty without HTTP. The placeholder of "port" is "$http_port".
_HTTP_PARTS: Final = ("development", "option", "port", "production", "publish", "readme")
_IN_USE: Final = (errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY)


def project_files(name: ProjectName, *, http: bool, version: str) -> dict[str, str]:
    """The texts of all files of a project, by their paths.

    :param http: whether it has the HTTP gateway.
    :param version: the version of unixsvc, which is the oldest that the project accepts; empty if unknown.
    """
    values = {
        "name": name.service,
        "package": name.package,
        "title": name.title,
        "requirement": "unixsvc>=" + ".".join(version.split(".")[:2]) if version else "unixsvc",
    }
    parts = {
        f"http_{part}": _filled(f"http/{part}", values).removesuffix("\n") if http else ""
        for part in _HTTP_PARTS
    }
    files = {
        Template(path).substitute(values): _filled(template, values | parts)
        for path, template in _FILES.items()
    }
    return files | {_SCHEMA: schema_text()}


def create_project(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a project: all of them, or none.

    :param folder: of the project; it may exist if it is empty.
    :raises ConfigError: if something else has its name, or a file cannot be written.
    """
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(staging, files)
            staging.rename(folder)  # the kernel refuses it if there is another file, or a folder with files
        except BaseException:
            shutil.rmtree(staging)
            raise
    except OSError as error:
        if error.errno in _IN_USE:
            remedy = "choose another name, or remove it"
            raise ConfigError(str(folder), "exists, and is not an empty folder", remedy) from None
        raise ConfigError(
            str(folder), f"cannot be created: {error.strerror}", "choose another folder"
        ) from None


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    umask = os.umask(0o077)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)  # mkdtemp() lets no other user read it


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = resources.files("unixsvc.cli.scaffold").joinpath(f"templates/{template}.tmpl").read_text("utf-8")
    return Template(text).substitute(values)
