"""What libraries log is for a log file, not for the terminal of somebody who did not ask for it."""

import logging


def silence_libraries() -> None:
    """Show on the terminal only what our own code logs, where nothing else was set up to show or keep messages."""
    if logging.lastResort is not None:  # what Python shows warnings with where nobody has set up anything
        logging.lastResort.addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == "nucleusnet"
