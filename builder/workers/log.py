"""The log file of a run, with times."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from nucleusnet_core.terminal.outputs import writing

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

    Raises:
        OutputError: the file cannot be written.
    """
    with writing(path, "--log"):
        handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, propagate = LOG.level, LOG.propagate
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield LOG
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagate
        handler.close()
