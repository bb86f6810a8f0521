"""A Hub on loopback that the real `huggingface_hub` and `datasets` clients talk to.

It follows what those clients send and expect (version 2.4 and 5.2): repositories, tree, paths-info, refs, preupload,
LFS batch with basic and multipart transfers, verify, commit, tags, and `resolve` with ranges and a redirect to a
second path for large objects, as the real Hub redirects to its CDN. Not served: Xet (its token endpoint says so), pull
requests, spaces, models.
"""

import contextlib
import os
from collections.abc import Iterator

from tests.hub.repository_api import RepositoryApi
from tests.hub.state import Alarm, Hub
from tests.hub.storage_api import StorageApi
from tests.range_server import QuietServer, serving

__all__ = ["Alarm", "Hub", "client_environment", "serve_hub"]


class Handler(RepositoryApi, StorageApi):
    """One connection; `hub` is bound by `serve_hub`."""


@contextlib.contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run a Hub on a free loopback port until the block ends; clients find it through HF_ENDPOINT."""
    hub = Hub()
    with serving(QuietServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))) as hub.url:
        yield hub


def client_environment(hub: Hub, home: str) -> dict[str, str]:
    """Environment of a client process that knows only this Hub, with caches below `home`."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": home,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    unset = {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "NUCLEUSNET_DATA", "NUCLEUSNET_REPO"}
    return {key: value for key, value in os.environ.items() if key not in unset} | settings
