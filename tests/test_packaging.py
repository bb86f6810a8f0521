"""The wheel, installed into an empty environment, works outside the checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

from tests.root import ROOT


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


VENDOR = Path("browser", "static", "vendor")


def copy_checkout(copy: Path) -> None:
    """Copy what git would have, so that nothing that a build leaves behind comes into the checkout."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy_checkout(copy)
    shutil.copytree(ROOT / VENDOR, copy / VENDOR)  # fetched by `make browser`, not in git
    # No isolation, so that nothing is downloaded.
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
        "nucleusnet_dataset.py",
        "nucleusnet_core",
        "nucleusnet-0.1.0.dist-info",
    }


def test_the_wheel_holds_the_card_template_and_the_type_markers(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "nucleusnet/builder/card/dataset_card.md",
        "nucleusnet/builder/card/study.toml",
        "nucleusnet/builder/analysis/scatter_page.html",
        "nucleusnet/builder/analysis/scatter_page.css",
        "nucleusnet/builder/analysis/scatter_page.js",
        "nucleusnet/loaders/py.typed",
    } <= names


def test_the_wheel_holds_the_page_with_its_third_party_files_and_their_licences(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    page = {
        path.relative_to(ROOT / "browser").as_posix() for path in (ROOT / "browser/static").rglob("*") if path.is_file()
    }
    held = {name.removeprefix("nucleusnet/browser/") for name in archive.namelist() if "/browser/static/" in name}
    assert held == page
    assert {"static/index.html", "static/vendor/hyparquet/read.js", "static/vendor/fzstd/index.js"} <= held
    assert b"MIT License" in archive.read("nucleusnet/browser/static/vendor/LICENSES.txt")
    assert not [name for name in archive.namelist() if "node_modules" in name]


def test_a_wheel_without_third_party_files_is_refused_and_the_command_named(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    command = [sys.executable, "setup.py", "-q", "build_py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "make browser" in done.stderr
    assert not (tmp_path / "build" / "lib" / "nucleusnet").exists()


def test_the_installed_program_works_outside_the_checkout(bare_python: Path, tmp_path: Path) -> None:
    program = bare_python.with_name("nucleusnet.exe" if os.name == "nt" else "nucleusnet")
    assert "Commands:" in run(program, "--help", cwd=tmp_path)
    assert "Example" in run(program, "build", "--help", cwd=tmp_path)
    assert "space:" in run(program, "browse", "lab/nucleusnet", "--export", "space", cwd=tmp_path)
    printed = run(bare_python, "-c", "import nucleusnet_dataset; print(nucleusnet_dataset.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(bare_python.parent.parent)
    printed = run(bare_python, "-c", "import nucleusnet.loaders as n; print(n.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(bare_python.parent.parent)


def test_the_installed_loaders_ignore_a_users_own_folder_of_that_name(bare_python: Path, tmp_path: Path) -> None:
    (tmp_path / "loaders").mkdir()
    (tmp_path / "loaders" / "__init__.py").write_text("raise ImportError('the wrong loaders')\n", "utf-8")
    run(bare_python, "-c", "import nucleusnet.loaders, nucleusnet_dataset", cwd=tmp_path)
