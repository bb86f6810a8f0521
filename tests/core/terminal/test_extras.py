"""A missing optional package is one line that says how to install it."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions
from pathlib import Path

import pytest

from nucleusnet_core.terminal.extras import EXTRAS, how_to_install
from tests.root import ROOT

WITHOUT = "import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {arguments!r}; "


def run_without(module: str, arguments: list[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that cannot import a module."""
    script = WITHOUT.format(module=module, arguments=arguments) + code
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def test_a_command_names_the_extra_that_it_needs(tmp_path: Path) -> None:
    done = run_without(
        "cv2", ["simulate", str(tmp_path / "a")], "from nucleusnet_core.terminal.program import main; main()"
    )
    assert done.returncode == 2
    assert done.stderr == 'nucleusnet: cv2 is not installed; run: python -m pip install "nucleusnet[build]".\n'
    assert list(tmp_path.iterdir()) == []


def test_a_sample_needs_pytorch_before_anything_is_read(tmp_path: Path) -> None:
    done = run_without("torch", ["sample", str(tmp_path)], "from nucleusnet_core.terminal.program import main; main()")
    assert done.returncode == 2
    assert done.stderr == 'nucleusnet: torch is not installed; run: python -m pip install "nucleusnet[torch]".\n'


def test_the_loaders_name_the_extra_that_they_need() -> None:
    done = run_without("torch", [], "import loaders")
    assert done.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: torch is not installed; run: python -m pip install "nucleusnet[torch]".'
    )


def test_a_package_whose_version_is_asked_for_counts_like_its_module() -> None:
    found = how_to_install(PackageNotFoundError("opencv-python-headless"))
    assert found == 'opencv-python-headless is not installed; run: python -m pip install "nucleusnet[build]".'
    assert how_to_install(ModuleNotFoundError("No module named 'numba.core'", name="numba.core")) is not None
    assert how_to_install(ModuleNotFoundError("No module named 'nonsense'", name="nonsense")) is None


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_it_is_named_for(extra: str) -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    brought = {requirement.partition(">")[0] for requirement in requirements[extra]}
    distributions = packages_distributions()
    for name in EXTRAS[extra]:
        assert brought & {name, *distributions.get(name, [])}, name
