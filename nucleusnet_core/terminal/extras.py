"""What to install when an optional package is missing: each extra of the project and what it brings."""

EXTRAS = {
    "torch": ("torch",),
    "build": ("cv2", "opencv-python-headless", "numba", "tifffile", "imagecodecs", "isal"),
    "cluster": ("distributed",),
    "browse": ("matplotlib", "pyvips"),
    "segment": ("cellpose",),
}
"""Extra -> modules, and distributions whose version is asked for, that come with it."""


def how_to_install(error: ImportError) -> str | None:
    """Say which package is missing and the command that installs it, or None if no extra brings it.

    Args:
        error: of an import, or of asking for the version of a package (`importlib.metadata.PackageNotFoundError`).
    """
    missing = (error.name or "").partition(".")[0]
    for extra, names in EXTRAS.items():
        if missing in names:
            return f'{missing} is not installed; run: python -m pip install "nucleusnet[{extra}]".'
    return None
