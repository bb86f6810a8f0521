"""The HTTP client of this process: made as `huggingface_hub` makes its own, but never shared over a fork."""

import atexit
import encodings.idna  # noqa: F401 - or the first connection would import it, with a lock that a fork could copy held
import os
import threading
from collections.abc import Callable

import httpx2
from huggingface_hub import get_session

Factory = Callable[[], httpx2.Client]


class _Shared:
    """The client that all stores of a process use, with the factory that made it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.factory: Factory | None = None
        self.client: httpx2.Client | None = None


_shared = _Shared()
_inherited: list[_Shared] = []


def client() -> httpx2.Client:
    """Return the client; it is thread-safe.

    What a program has set with `huggingface_hub.set_client_factory`, such as a proxy or certificates, is used here too.
    The client of `huggingface_hub` itself is not used: its child processes close it after a fork, and wait forever if
    a thread of the parent was about to send a request.
    """
    factory: Factory = get_session.__globals__.get("_GLOBAL_CLIENT_FACTORY", httpx2.Client)
    with _shared.lock:
        if _shared.client is None or _shared.factory is not factory:
            _shared.factory, _shared.client = factory, factory()
        return _shared.client


@atexit.register
def _close() -> None:
    if _shared.client is not None:
        _shared.client.close()


def _before_fork() -> None:
    # A client is made with imports and certificates, whose locks would stay held in the child.
    _shared.lock.acquire()


def _after_fork_in_parent() -> None:
    _shared.lock.release()


def _after_fork_in_child() -> None:
    """Let a forked process make a client of its own; that of the parent, and its locks, are left as they are."""
    global _shared  # noqa: PLW0603 - a lock that may be held by a thread that does not exist here cannot be reused
    _inherited.append(_shared)
    _shared = _Shared()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
