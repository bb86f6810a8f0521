"""Sends large files to the Hub's storage, several at a time; nothing is visible there until they are committed."""

import contextlib
import functools
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO

from huggingface_hub import CommitOperationAdd

from .hub import HubTarget
from .journal import LocalFile
from .local import refuse_changes
from .retries import Stopped

FILES_AT_A_TIME = 4
"""How many are under way at once: what a crash costs at most."""
LARGE_FROM_BYTES = 1 << 20
"""Smaller files other than Parquet go with the commit, where one request asks about all of them."""
_POLL_SECONDS = 0.2
_END_SECONDS = 3.0

Moved = Callable[[int], None]


class CountedFile(io.FileIO):
    """A file that tells how far it was read, and cannot be read further once the upload ends."""

    def __init__(self, path: Path, moved: Moved, stop: threading.Event) -> None:
        super().__init__(path, "rb")
        self._moved, self._stop, self._furthest = moved, stop, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.FileIO` does.

        Raises:
            Stopped: the upload ends.
        """
        if self._stop.is_set():
            raise Stopped
        data = super().read(-1 if size is None else size) or b""
        if (position := self.tell()) > self._furthest:
            self._moved(position - self._furthest)
            self._furthest = position
        return data


class Addition(CommitOperationAdd):
    """A file of the folder to be sent: its hash is known, and it must be what was verified, before and after."""

    def __init__(self, folder: Path, file: LocalFile, moved: Moved, stop: threading.Event) -> None:
        refuse_changes(folder, {file.path: file})
        super().__init__(file.path, folder / file.path)
        self.upload_info.sha256 = bytes.fromhex(file.sha256)
        self._folder, self._file, self._moved, self._stop = folder, file, moved, stop
        self._shown = 0

    @contextlib.contextmanager
    def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
        """Open the file; see `CommitOperationAdd`."""
        refuse_changes(self._folder, {self._file.path: self._file})
        self._restart()
        with CountedFile(self._folder / self._file.path, self._show, self._stop) as file:
            yield file
        refuse_changes(self._folder, {self._file.path: self._file})

    def _show(self, count: int) -> None:
        self._shown += count
        self._moved(count)

    def _restart(self) -> None:
        self._moved(-self._shown)
        self._shown = 0

    def finish(self) -> None:
        """Show the whole file as sent: the Hub may have had it already, or another part of the client read it."""
        self._show(self._file.size - self._shown)


def is_large(file: LocalFile) -> bool:
    """Return whether a file is worth a request of its own."""
    return file.path.endswith(".parquet") or file.size >= LARGE_FROM_BYTES


def send_files(target: HubTarget, additions: Sequence[Addition]) -> None:
    """Send files to the storage of the Hub, `FILES_AT_A_TIME`, largest first.

    Daemon threads, so that Ctrl-C ends the program and not only its main thread.

    Args:
        target: where to.
        additions: what; each is marked as sent when it has arrived.

    Raises:
        UploadError: the Hub refuses a file.
        TransferError: a file did not arrive for hours.
        SourceChangedError: a file is not what was verified.
    """
    waiting: SimpleQueue[Addition] = SimpleQueue()
    for addition in sorted(additions, key=lambda addition: -addition.upload_info.size):
        waiting.put(addition)
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    work = functools.partial(send_waiting, target, waiting, ended)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(FILES_AT_A_TIME, len(additions)))]
    for thread in threads:
        thread.start()
    try:
        for _ in additions:
            error = wait_for(ended)
            if error is not None:
                raise error
    except BaseException as error:
        target.stop.set()
        for thread in threads if isinstance(error, Exception) else []:
            thread.join(_END_SECONDS)
        raise


def wait_for(ended: "SimpleQueue[BaseException | None]") -> BaseException | None:
    """Wait for the next end, in steps, so that Ctrl-C comes through on every system."""
    while True:
        with contextlib.suppress(Empty):
            return ended.get(timeout=_POLL_SECONDS)


def send_waiting(
    target: HubTarget, waiting: "SimpleQueue[Addition]", ended: "SimpleQueue[BaseException | None]"
) -> None:
    """Send one file after the other until none waits."""
    while not target.stop.is_set():
        try:
            addition = waiting.get_nowait()
        except Empty:
            return
        try:
            target.ask(addition.path_in_repo, functools.partial(send_file, target, addition))
            addition.finish()
        except BaseException as error:  # for the thread that waits, as concurrent.futures does
            ended.put(error)
            return
        ended.put(None)


def send_file(target: HubTarget, addition: Addition) -> None:
    """Send one file; what the Hub has already is not sent again."""
    target.api.preupload_lfs_files(
        target.repo_id,
        [addition],
        repo_type="dataset",
        revision=target.revision,
        free_memory=False,
        num_threads=1,
    )
