"""What a running build tells: progress to whoever shows it, and a log file with times."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from nucleusnet_core.errors import OutputError
from nucleusnet_core.files.disk_space import is_disk_full


class LogFile(logging.FileHandler):
    """A log file without which the work goes on: that the disk is full is reported by the work itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name logging calls
        """Leave a record out that cannot be written; logging would print a traceback."""

    def close(self) -> None:
        """Close the file, of which the end may be missing."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[logging.Logger]:
    """Let the messages of the builder go to a log file alone, with times; afterwards they go where they went before.

    Raises:
        OutputError: it cannot be written there.
    """
    try:
        handler = LogFile(path, encoding="utf-8")
    except OSError as error:
        if is_disk_full(error):
            raise
        raise OutputError(
            f"{path}: a log file that can be written expected, found: {error.strerror}; name another --log."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("nucleusnet")
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield log
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
        handler.close()
