"""The revision that the working tree is compared with, unless one is given.

On a branch it is the merge base with the main branch: a branch answers for its own changes. On the main
branch, whose merge base with itself is itself, it is the commit in the file ``bench/baseline``: the main
branch answers for all changes since. That file is changed when more instructions are accepted, in a commit
that says why. If it was changed on the branch, it is the later of the two that counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.revisions import ROOT, RevisionError, resolve_commit, resolve_tree, run_git

__all__ = ["BASELINE", "NoBaseError", "default_base"]

BASELINE: Final = "bench/baseline"
_MAIN_BRANCHES: Final = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main")


class NoBaseError(Exception):
    """There is nothing to compare with: no checkout, or only a part of its history. This is no failure."""


def default_base(head: str, root: Path = ROOT) -> str:
    """The hash of the commit to compare with.

    :param head: the revision that is compared, as of :func:`~bench.revisions.prepare`.
    :raises NoBaseError: if there is none.
    :raises RevisionError: if ``bench/baseline`` names no commit of a complete history, or there is no such
        head.
    """
    if not _is_checkout(root):
        raise NoBaseError(f"{root} is not a git checkout")
    files = resolve_tree(head, root)
    candidates = [
        each
        for each in (_merge_base(head, root), _baseline(root))
        if each and resolve_tree(each, root) != files
    ]
    if not candidates:
        raise NoBaseError("the history has no revision to compare with; a shallow clone lacks it")
    merge_base, baseline = candidates[0], candidates[-1]
    return baseline if _is_ancestor(merge_base, baseline, root) else merge_base


def _is_checkout(root: Path) -> bool:
    try:
        return Path(run_git(root, "rev-parse", "--show-toplevel")).resolve() == root.resolve()
    except RevisionError:
        return False


def _merge_base(head: str, root: Path) -> str:
    """The merge base with the main branch; empty if there is none."""
    commit = "HEAD" if head == "." else head
    for branch in _MAIN_BRANCHES:
        try:
            return run_git(root, "merge-base", branch, commit)
        except RevisionError:
            continue
    return ""


def _baseline(root: Path) -> str:
    """The commit in the file; empty if the clone is shallow and lacks it."""
    name = (root / BASELINE).read_text().split()[0]
    try:
        return resolve_commit(name, root)
    except RevisionError:
        if run_git(root, "rev-parse", "--is-shallow-repository") == "true":
            return ""
        raise RevisionError(f"{BASELINE}: {name} is not a commit of this repository") from None


def _is_ancestor(commit: str, other: str, root: Path) -> bool:
    try:
        run_git(root, "merge-base", "--is-ancestor", commit, other)
    except RevisionError:
        return False
    return True
