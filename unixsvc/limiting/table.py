"""The table of buckets, in memory that all workers of a service share.

It has a fixed size, whatever keys callers choose. A key has one place in one of several thousand sets, which
follow from a keyed hash, so that callers cannot aim at the set of another. Only a bucket that is full again
makes room for another key, since it says the same as no bucket. If all buckets of a set are in use, further
keys share one bucket for each limit: a flood of keys is limited as one caller, and takes no bucket from those
that have one.

A bucket is one number, the theoretical arrival time (TAT) of the generic cell rate algorithm (ITU-T I.371),
which is equal to a token bucket: the time at which the bucket will be full.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from unixsvc.limiting.lock import RecordLocks
from unixsvc.shared_memory import make_shared_memory

__all__ = ["Bucket", "RateTable", "SharedTable", "Verdict"]

_SETS: Final = 4096
_WAYS: Final = 16
_SHARED: Final = 8  # buckets of a set that further keys share
_WORDS: Final = 2 * _WAYS + _SHARED
_SECRET: Final = 32
_HEAD: Final = 64  # bytes
_BYTES: Final = _HEAD + _SETS * _WORDS * 8


class Bucket(Struct, frozen=True, gc=False):
    """The place of a key, and its limit.

    :ivar interval: the time in which one token comes, in nanoseconds.
    :ivar size: the number of tokens of a full bucket.
    :ivar number: the number of the set.
    :ivar tag: stands for the key in the set.
    """

    interval: int
    size: int
    number: int
    tag: int


class Verdict(Struct, frozen=True, gc=False):
    """The state of a bucket after a request; times are in nanoseconds.

    :ivar allowed: whether there was a token.
    :ivar remaining: the number of tokens that are left.
    :ivar wait: the time until the next token, if there was none.
    :ivar full: the time until the bucket is full.
    :ivar shared: whether the key shares its bucket, as there are too many keys.
    """

    allowed: bool
    remaining: int
    wait: int
    full: int
    shared: bool = False


class SharedTable:
    """The memory, as its owner sees it: it lives as long as the service, longer than any worker."""

    def __init__(self) -> None:
        self._file = make_shared_memory("unixsvc-limits", _BYTES)
        self._close = weakref.finalize(self, os.close, self._file)
        os.pwrite(self._file, os.urandom(_SECRET), 0)

    def fileno(self) -> int:
        """The file descriptor, for the workers."""
        return self._file

    def close(self) -> None:
        """Release the memory."""
        self._close()


class RateTable:
    """The memory, as one worker sees it. One thread uses it.

    :param file: the file descriptor of a :class:`SharedTable`; None for memory of this process only.
    """

    def __init__(self, file: int | None = None) -> None:
        memory = mmap.mmap(-1 if file is None else file, _BYTES)
        if file is None:
            memory[:_SECRET] = os.urandom(_SECRET)
        self._secret = memory[:_SECRET]
        self._words = memoryview(memory)[_HEAD:].cast("q")
        self._locks = None if file is None else RecordLocks(file)

    def bucket(self, limit: bytes, key: str, interval: int, size: int) -> Bucket:
        """Find the place of a key.

        :param limit: the limit; keys of different ones are different.
        :param interval: as of :class:`Bucket`, and so is ``size``.
        """
        data = b"%d:%b%b" % (len(limit), limit, key.encode("utf-8", "surrogatepass"))
        digest = hashlib.blake2b(data, key=self._secret, digest_size=16).digest()
        tag = int.from_bytes(digest[:8], "little", signed=True) or 1  # 0 is an unused place
        return Bucket(interval, size, int.from_bytes(digest[8:10], "little") % _SETS, tag)

    def take(self, buckets: Sequence[Bucket], now: int) -> list[Verdict]:
        """Take a token from each of several buckets, or from none if one has none.

        :param now: the time in nanoseconds, on a clock that all processes share.
        """
        locks = self._locks
        if locks is None:
            return self._take(buckets, now)
        places = sorted({bucket.number for bucket in buckets})
        locks.acquire(places)  # without it, a worker that is stopped costs exactness, and not the service
        try:
            return self._take(buckets, now)
        finally:
            with suppress(OSError):
                locks.release()

    def give_back(self, bucket: Bucket, now: int) -> None:
        """Put a token back, which :meth:`take` has taken."""
        locks = self._locks
        if locks is None:
            self._give_back(bucket, now)
            return
        locks.acquire([bucket.number])
        try:
            self._give_back(bucket, now)
        finally:
            with suppress(OSError):
                locks.release()

    def _give_back(self, bucket: Bucket, now: int) -> None:
        # If the bucket has become full meanwhile, this is its place or a free one, whose time has passed: an
        # earlier one says the same.
        self._words[self._find(bucket, now, ())] -= bucket.interval

    def _take(self, buckets: Sequence[Bucket], now: int) -> list[Verdict]:
        words = self._words
        places: list[int] = []
        for bucket in buckets:
            places.append(self._find(bucket, now, places))
        verdicts: list[Verdict] = []
        for bucket, place in zip(buckets, places, strict=True):
            capacity = bucket.interval * bucket.size
            # A time from another clock, or from another limit that shares the place, must not lock out.
            used = min(max(words[place] - now, 0), capacity) + bucket.interval
            shared = place % _WORDS >= 2 * _WAYS
            if used > capacity:
                verdicts.append(Verdict(False, 0, used - capacity, used - bucket.interval, shared))
            else:
                remaining = (capacity - used) // bucket.interval
                verdicts.append(Verdict(True, remaining, 0, used, shared))
        if all(verdict.allowed for verdict in verdicts):
            for bucket, place, verdict in zip(buckets, places, verdicts, strict=True):
                if not verdict.shared:
                    # The tag first: killed in between, it stands for a full bucket.
                    words[place - _WAYS] = bucket.tag
                words[place] = now + verdict.full
            return verdicts
        return [_without_taking(bucket, each) for bucket, each in zip(buckets, verdicts, strict=True)]

    def _find(self, bucket: Bucket, now: int, taken: Sequence[int]) -> int:
        """Find the place of the time of a bucket, of a free one, or of a shared one.

        :param taken: the places of other buckets, which are not free.
        """
        words, start, tag = self._words, bucket.number * _WORDS, bucket.tag
        middle = start + _WAYS
        tags = words[start:middle].tolist()
        if tag in tags:
            return middle + tags.index(tag)
        for way, full_at in enumerate(words[middle : middle + _WAYS].tolist()):
            if full_at <= now and middle + way not in taken:
                return middle + way
        return middle + _WAYS + hash(bucket.interval) % _SHARED


def _without_taking(bucket: Bucket, verdict: Verdict) -> Verdict:
    """The state of a bucket if another one has refused the request."""
    if not verdict.allowed:
        return verdict
    return Verdict(True, verdict.remaining + 1, 0, verdict.full - bucket.interval, verdict.shared)
