"""The fuzz targets: every module of this folder that makes cases and checks them."""

from pathlib import Path

_OURS = {"__main__", "child", "every_fault", "frame", "mutations", "strict_tiff", "targets", "tiff_files"}


def targets() -> list[str]:
    """Return the names of the targets' modules."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py"))
    return [f"tests.fuzz.{name}" for name in names if name not in _OURS and not name.startswith("test_")]
