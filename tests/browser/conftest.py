"""A dataset, served by the real server, and a real browser that looks at it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser.page.server import Server
from browser.page.site import make_site
from browser.page.sources import served_source
from nucleusnet_core.dataset import open_dataset
from tests.chromium import browser_process, tab
from tests.dataset_folder import write_dataset_folder

__all__ = ["browser_process", "tab"]

Serve = Callable[[str | Path], contextlib.AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,280 + 60 nuclei; 5 shards of `train`."""
    path = tmp_path_factory.mktemp("browser") / "größe nucleusnet"
    write_dataset_folder(path, {"train": 1280, "test": 60}, shard_rows=256)
    return path


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves any SOURCE through our server, as `nucleusnet browse SOURCE` does."""

    def start(source: str | Path) -> contextlib.AbstractContextManager[Server]:
        opened = open_dataset(source)
        return running(Server(make_site(served_source(opened.store.name), opened)))

    return start


@pytest.fixture(scope="session")
def server(folder: Path, serve: Serve) -> Iterator[Server]:
    """The server of `folder`."""
    with serve(folder) as started:
        yield started
