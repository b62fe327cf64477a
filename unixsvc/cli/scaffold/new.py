"""``unixsvc new``: create a project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["new"]


@click.command()
@click.argument("name")
@click.option("--http", is_flag=True, help="Add the HTTP gateway.")
def new(name: str, http: bool) -> None:
    """Create a project in the folder NAME.

    It is one service, with a store in an SQLite file, tests, and what it needs to run in production.
    """
    # Late: only this command needs them.
    from importlib import metadata

    from unixsvc.cli.scaffold.names import ProjectName
    from unixsvc.cli.scaffold.project import create_project, project_files

    project = ProjectName.parse(name, sys.path)
    try:
        version = metadata.version("unixsvc")
    except metadata.PackageNotFoundError:
        version = ""
    files = project_files(project, http=http, version=version)
    create_project(Path(project.folder), files)
    click.echo(f"created {name} with {len(files)} files; {name}/README.md explains them")
