"""The page as a static site, for any web server, such as a static Space on the Hub."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from nucleusnet_core.files.whole_folder import whole_folder

from ..zoom.free_folder import check_free
from .site import PANORAMAS_PATH, SOURCE_NAME, panorama_files
from .sources import PageSource
from .static_files import page_files, security_policy

_SPACE_CARD = """---
title: {title}
emoji: 🔬
colorFrom: indigo
colorTo: gray
sdk: static
app_file: index.html
pinned: false
license: apache-2.0
datasets:
- {repository}
short_description: Look at random single nuclei of a dataset
---

# {title}

Draws random nuclei from [{repository}](https://huggingface.co/datasets/{repository}) and shows them. The page reads the
dataset's Parquet files (shards) by itself: nothing runs on a server, and nothing is loaded from other hosts.

Made with `nucleusnet browse {repository} --export DIR`. Third-party licences: `vendor/LICENSES.txt`.
"""


def export_site(
    source: PageSource, repository: str, out: Path, *, panoramas: Path | None = None, overwrite: bool = False
) -> list[str]:
    """Write the page with all its files into a folder, whole or not at all.

    Args:
        source: where the page reads its dataset from.
        repository: `owner/name`, for the card.
        out: the folder; made if missing.
        panoramas: a folder that `nucleusnet zoom` wrote; its files are copied.
        overwrite: replace a folder that holds such a site.

    Returns:
        The paths of its files.

    Raises:
        OutputError: the folder cannot be written.
        UsageError: the folder holds something, or the page's third-party files are missing.
    """
    files = {name: path.read_bytes() for name, path in page_files().items()}
    for page in (name for name in files if name.endswith(".html")):
        files[page] = _with_policy(files[page], security_policy(source.hosts, framed=True))
    copies = panorama_files(panoramas) if panoramas is not None else {}
    if copies:
        source = replace(source, panoramas=PANORAMAS_PATH)
    files[SOURCE_NAME] = json.dumps(source.to_json(), indent=1).encode() + b"\n"
    title = f"{repository.rpartition('/')[2]} browser"
    files["README.md"] = _SPACE_CARD.format(title=title, repository=repository).encode()
    check_free(out, mark=SOURCE_NAME, overwrite=overwrite, option="--export")
    with whole_folder(out, option="--export") as partial:
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        for name in copies:
            (partial / PANORAMAS_PATH / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(panoramas or "", name), partial / PANORAMAS_PATH / name, follow_symlinks=False)
    return sorted([*files, *(f"{PANORAMAS_PATH}{name}" for name in copies)])


def _with_policy(page: bytes, policy: str) -> bytes:
    """Return a page that states its policy before it loads anything: a static host sends no headers of ours."""
    before, mark, after = page.partition(b"<head>\n")
    return before + mark + f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'.encode() + after
