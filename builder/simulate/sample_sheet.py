"""The sample sheet of a simulated set: what was done to the cells of each run, so that a build has conditions."""

from collections.abc import Iterable
from pathlib import Path

from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.spreadsheet import csv_table
from nucleusnet_core.inputs.mask_file import remove_leftovers
from nucleusnet_core.terminal.outputs import writing

SAMPLES_NAME = "samples.csv"
_COLUMNS = ("run_name", "treatment", "dose_uM", "passage")
_DOSES_UM = (0.1, 0.2, 0.4)
_FIRST_PASSAGE, _RUNS_A_PASSAGE = 5, 4


def write_sample_sheet(folder: Path, runs: Iterable[int]) -> None:
    """Write the sample sheet of a set, unless it is there.

    Args:
        folder: of the set.
        runs: number of the run of each image.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / SAMPLES_NAME
    with writing(folder, "FOLDER"):
        remove_leftovers(path)
        if not path.exists():
            rows = [_COLUMNS, *(sample_of(run) for run in sorted(set(runs)))]
            write_bytes_atomic(path, csv_table(rows).encode())


def sample_of(run: int) -> tuple[int, str, float, int]:
    """Return run, treatment, dose (µM) and passage of the cells of a run.

    >>> sample_of(1), sample_of(2)
    ((1, 'control', 0.0, 5), (2, 'nocodazole', 0.1, 5))
    """
    pair, treated = divmod(run - 1, 2)
    passage = _FIRST_PASSAGE + (run - 1) // _RUNS_A_PASSAGE
    if not treated:
        return run, "control", 0.0, passage
    return run, "nocodazole", _DOSES_UM[pair % len(_DOSES_UM)], passage
