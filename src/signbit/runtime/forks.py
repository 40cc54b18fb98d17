"""Locks that a fork leaves usable.

A child has one thread, the one that forked. A lock that another thread held stays locked there for ever, and what it
guarded stays half done. So a fork waits until it holds every lock made here, and parent and child give them back.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

_locks: WeakSet[threading.RLock] = WeakSet()
_held: list[threading.RLock] = []
_making = threading.RLock()
"""Held from before a fork to after it: none is made meanwhile, and one thread forks at a time."""


def fork_safe_lock() -> threading.RLock:
    """A reentrant lock that is never held by another thread at the moment of a fork.

    It must not be held while waiting for another one of its kind, nor while forking in a thread that it waits for.
    """
    with _making:
        lock = threading.RLock()
        _locks.add(lock)
    return lock


def _take_all() -> None:
    _making.acquire()
    for lock in list(_locks):
        lock.acquire()
        _held.append(lock)


def _give_back_all() -> None:
    while _held:
        _held.pop().release()
    _making.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(before=_take_all, after_in_parent=_give_back_all, after_in_child=_give_back_all)
