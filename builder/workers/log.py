"""The log file of a run, with times."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from nucleusnet_core.terminal.outputs import writing
from nucleusnet_core.terminal.silence import silence_libraries

LOG = logging.getLogger("nucleusnet")
"""The log of the builder; a program that uses it as a library may add its own handlers."""


class LogFile(logging.FileHandler):
    """A log file that never ends the work: where the disk is full, the work itself reports it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name logging calls
        """Leave out a record that cannot be written; logging would print a traceback."""

    def close(self) -> None:
        """Close the file; its end may be missing."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[logging.Logger]:
    """Yield the log of the builder while its messages go to a file alone; afterwards they go where they went before.

    What libraries log, and Python's warnings, go to the file too, from worker processes as well.

    Raises:
        OutputError: the file cannot be written.
    """
    with writing(path, "--log"):
        handler = _handler(path)
    level, propagate = LOG.level, LOG.propagate
    _add(handler)
    logging.captureWarnings(True)
    try:
        yield LOG
    finally:
        logging.captureWarnings(False)
        LOG.removeHandler(handler)
        logging.getLogger().removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagate
        handler.close()


def log_files() -> list[Path]:
    """Return the files that the log goes to now."""
    return [Path(handler.baseFilename) for handler in LOG.handlers if isinstance(handler, LogFile)]


def log_in_worker(paths: list[Path]) -> None:
    """Send what is logged in a worker process to the files of the run; without any, what libraries say is left out."""
    silence_libraries()
    logging.captureWarnings(True)
    for path in paths:
        with contextlib.suppress(OSError):  # the disk is full, which the work itself reports
            _add(_handler(path))


def _handler(path: Path) -> LogFile:
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _add(handler: LogFile) -> None:
    """Send our messages to a file alone, and those of libraries to it too."""
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    logging.getLogger().addHandler(handler)
