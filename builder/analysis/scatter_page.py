"""The stitched images of a dataset as one HTML page: a scatter plot to point at, and a table; nothing is loaded."""

import base64
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.terminal.outputs import writing
from nucleusnet_core.terminal.wording import counted

from .statistics import DECIMALS, Ranking, no_centroid, notes

SUFFIXES = (".html", ".htm")
_HERE = Path(__file__).resolve().parent


def write_scatter_page(path: Path, ranking: Ranking, top: int, *, panoramas: str | None = None) -> None:
    """Write the page, whole or not at all; see `scatter_page`.

    Raises:
        BuildError: no image has regions of interest.
        OutputError: the page cannot be written there.
        UsageError: `panoramas` is not an address that a page may link to.
    """
    page = scatter_page(ranking, top, panoramas=panoramas).encode()
    with writing(path, "--page"):
        write_bytes_atomic(path, page)


def check_panoramas(address: str) -> None:
    """Refuse an address that a page may not link to, such as a script.

    Raises:
        UsageError: it is neither relative nor http(s), or names a place in a page.
    """
    if urlsplit(address).scheme not in ("", "http", "https") or "#" in address:
        raise UsageError(
            f"--panoramas: {address!r} is not an address that a page can link to; give an http(s) or relative address "
            "without #."
        )


def scatter_page(ranking: Ranking, top: int, *, panoramas: str | None = None) -> str:
    """Return the page: one file that works offline and may load nothing, as its security policy says.

    Args:
        ranking: of the images.
        top: how many representatives are ringed.
        panoramas: address of a page to which images link, with `#image=` and their name after it.

    Raises:
        BuildError: no image has regions of interest.
        UsageError: `panoramas` is not an address that a page may link to.
    """
    if panoramas is not None:
        check_panoramas(panoramas)
    style, script = ((_HERE / f"scatter_page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    allowed = [
        "default-src 'none'",
        f"style-src '{source_hash(style)}'",
        f"script-src '{source_hash(script)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    parts = {"csp": "; ".join(allowed), "style": style, "script": script, "data": page_data(ranking, top, panoramas)}
    template = (_HERE / "scatter_page.html").read_text("utf-8")
    return re.sub("|".join(f"{{{name}}}" for name in parts), lambda found: parts[found[0][1:-1]], template)


def source_hash(text: str) -> str:
    """Return what a security policy calls an inline script or style.

    Source: W3C, Content Security Policy Level 3, "hash-source".
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def page_data(ranking: Ranking, top: int, panoramas: str | None = None) -> str:
    """Return everything that the page shows as JSON that cannot end the element it stands in.

    Raises:
        BuildError: no image has regions of interest.
    """
    if ranking.centroid is None:
        raise no_centroid("The page")
    centroid = ranking.centroid
    ringed = len(ranking.representatives(top))
    content = {
        "summary": (
            f"{counted(len(ranking.images), 'stitched image')}. The centroid has {centroid.num_rois:,.1f} ROIs and "
            f"mean intensity {centroid.mean_intensity:,.1f}; rings mark the {counted(ringed, 'image')} nearest to it."
        ),
        "notes": notes(ranking, top),
        "centroid": [round(centroid.num_rois, DECIMALS), round(centroid.mean_intensity, DECIMALS)],
        "top": ringed,
        "panoramas": panoramas,
        "images": [
            [
                one.image,
                one.num_rois,
                *(round(x, DECIMALS) for x in (one.mean_intensity, one.std_intensity, one.distance)),
            ]
            for one in ranking.images
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
