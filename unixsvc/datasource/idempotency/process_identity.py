"""Identities of processes, which are never reused.

An identity consists of the boot id, the pid and the start time (field 22 of proc(5)'s ``stat``).

The alternative, a lock file (flock) for each worker, has two problems: child processes of an application
inherit the lock and keep a dead worker alive, and the files of dead workers have to be removed.
"""

from __future__ import annotations

import functools

__all__ = ["is_alive", "process_identity"]


def process_identity(pid: int) -> str:
    """Return the identity of a process; it ends with an empty start time if there is no such process."""
    return f"{_boot_id()}:{pid}:{_start_time(pid)}"


def is_alive(identity: str) -> bool:
    """Return whether the process with an identity of :func:`process_identity` is running."""
    _, pid, start_time = identity.rsplit(":", 2)
    return bool(start_time) and identity == process_identity(int(pid))


@functools.cache
def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _start_time(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the name of the program in parentheses and may contain any characters.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # A killed process is a zombie until its parent waits for it.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
