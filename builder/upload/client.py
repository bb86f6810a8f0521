"""Settings of the Hub's client while an upload runs: timeouts, silence, and whether it may use Xet."""

import contextlib
from collections.abc import Iterator

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._http import default_client_factory

from nucleusnet_core.storage.retries import RetryPolicy


@contextlib.contextmanager
def client_settings(policy: RetryPolicy) -> Iterator[None]:
    """Let the Hub's client give up a silent server, and leave the printing to us."""

    def client() -> httpx2.Client:
        made = default_client_factory()
        made.timeout = httpx2.Timeout(policy.stall_seconds, connect=policy.connect_seconds, pool=None)
        return made

    verbosity = hub_logging.get_verbosity()
    disabled = are_progress_bars_disabled()
    set_client_factory(client)
    hub_logging.set_verbosity(hub_logging.CRITICAL)
    disable_progress_bars()
    try:
        yield
    finally:
        set_client_factory(default_client_factory)
        hub_logging.set_verbosity(verbosity)
        if not disabled:
            enable_progress_bars()


@contextlib.contextmanager
def without_xet(*, wanted: bool) -> Iterator[None]:
    """Keep the client from using Xet, which it would choose without asking the Hub."""
    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = before or wanted
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before
