"""Packs the dataset card template, which lies at the root, beside the module that fills it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCard(build_py):
    """`build_py` that also copies `dataset_card.md` into the package `nucleusnet.builder`."""

    def run(self) -> None:
        """Build the packages, then add the template (an editable install reads it from the checkout)."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib, "nucleusnet", "builder")
            shutil.copyfile("dataset_card.md", package / "dataset_card.md")


setup(cmdclass={"build_py": BuildWithCard})
