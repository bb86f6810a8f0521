"""Files that lie at the root of a checkout and, in a wheel, in this package."""

from pathlib import Path

from nucleusnet_core.errors import BuildError


def shipped(name: str) -> Path:
    """Return where a file that comes with NucleusNet lies, such as `dataset_card.md` or `study.toml`.

    Raises:
        BuildError: it is missing.
    """
    here = Path(__file__).resolve().parent
    for path in (here / name, here.parents[1] / name):
        if path.is_file():
            return path
    raise BuildError(f"{name} is missing in {here}; install nucleusnet again.")
