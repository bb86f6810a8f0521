"""What every test relies on, and which tests `make check` leaves to `make test`."""

import signal
from pathlib import Path

import pytest

SLOW = (
    "browser",
    "builder/analysis",
    "builder/archive",
    "builder/build",
    "builder/card",
    "builder/deposit",
    "builder/segment",
    "builder/simulate",
    "builder/upload",
    "builder/verify",
    "builder/workers",
    "core/shards/test_rows.py",
    "core/storage",
    "core/terminal/test_help.py",
    "core/terminal/test_interrupts.py",
    "examples",
    "fuzz",
    "hub",
    "loaders/test_bad_input.py",
    "loaders/test_built_channels.py",
    "loaders/test_distributed.py",
    "loaders/test_exit.py",
    "loaders/test_network.py",
    "loaders/test_pages.py",
    "loaders/test_resume.py",
    "test_background.py",
    "test_bare_name.py",
    "test_docs.py",
    "test_help_examples.py",
    "test_interrupts.py",
    "test_packaging.py",
    "test_sample_command.py",
    "test_wrong_folders.py",
)
"""Folders and files whose tests start whole programs, browsers, servers, clusters or networks of neurons."""

# Shells and nohup have work in the background ignore interrupts, and every process that a test starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `SLOW`."""
    here = Path(__file__).parent
    slow = [here / name for name in SLOW]
    for item in items:
        if any(item.path.is_relative_to(place) for place in slow):
            item.add_marker(pytest.mark.slow)
