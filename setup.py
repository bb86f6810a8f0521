"""Packs the dataset card template, which lies at the root, and insists on the third-party files of the pages."""

import shutil
import warnings
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import FileError

VENDOR = Path("browser", "static", "vendor", "LICENSES.txt")
TEMPLATES = ("dataset_card.md", "study.toml")


class BuildWithCard(build_py):
    """`build_py` that also copies the templates at the root into the package `nucleusnet.builder.card`."""

    def run(self) -> None:
        """Build the packages, then add the template (an editable install reads it from the checkout)."""
        if not self.editable_mode and not VENDOR.is_file():
            raise FileError(
                f"{VENDOR} is missing: the third-party JavaScript of the pages. Run `make browser` in the checkout "
                "first (`npm ci` and `npm run vendor` in browser/, with Node.js), or use `pip install -e`."
            )
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib, "nucleusnet", "builder", "card")
            for name in TEMPLATES:
                shutil.copyfile(name, package / name)


# It tells every developer at every installation what an editable installation is.
warnings.filterwarnings("ignore", message=r"\s*Editable installation")
setup(cmdclass={"build_py": BuildWithCard})
