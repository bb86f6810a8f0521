"""The wheel, installed into an empty environment, works outside the checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy, so that nothing is left in the checkout; no isolation, so that nothing is downloaded.
    copy = folder / "copy"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, copy, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, and every dependency from here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    run(sys.executable, *install, cwd=folder)
    # Appended by hand, because the .pth files there would let an editable install of ours hide the wheel.
    dependencies = Path(numpy.__path__[0]).parent
    target = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    pth = Path(target, "dependencies.pth")
    pth.write_text(f"import sys; sys.path.append({str(dependencies)!r})\n", "utf-8")
    return python


def test_the_wheel_holds_our_names_only(wheel: Path) -> None:
    names = {Path(name).parts[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {
        "nucleusnet",
        "nucleusnet_cli.py",
        "nucleusnet_dataset.py",
        "nucleusnet_source",
        "nucleusnet-0.1.0.dist-info",
    }


def test_the_wheel_holds_the_card_template_and_the_type_markers(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"nucleusnet/builder/dataset_card.md", "nucleusnet/builder/study.toml", "nucleusnet/loaders/py.typed"} <= names


def test_the_installed_program_works_outside_the_checkout(bare_python: Path, tmp_path: Path) -> None:
    program = bare_python.with_name("nucleusnet.exe" if os.name == "nt" else "nucleusnet")
    assert "Commands:" in run(program, "--help", cwd=tmp_path)
    assert "Example" in run(program, "build", "--help", cwd=tmp_path)
    printed = run(bare_python, "-c", "import nucleusnet_dataset; print(nucleusnet_dataset.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(bare_python.parent.parent)
    printed = run(bare_python, "-c", "import nucleusnet.loaders as n; print(n.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(bare_python.parent.parent)


def test_the_installed_loaders_ignore_a_users_own_folder_of_that_name(bare_python: Path, tmp_path: Path) -> None:
    (tmp_path / "loaders").mkdir()
    (tmp_path / "loaders" / "__init__.py").write_text("raise ImportError('the wrong loaders')\n", "utf-8")
    run(bare_python, "-c", "import nucleusnet.loaders, nucleusnet_dataset", cwd=tmp_path)
