"""Shows what the benchmark does at the moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["progress_line"]


@contextlib.contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """A function that shows a description on standard error.

    On a terminal it is one line that changes, and moves only between measurements: a spinner would take
    CPU time. Descriptions that begin with ``without`` stay.
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("")

        def report_progress(description: str) -> None:
            if description.startswith("without "):
                console.print(description, highlight=False, soft_wrap=True)
            progress.update(task, description=description)
            progress.refresh()

        yield report_progress
