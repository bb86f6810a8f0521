"""The stitched images of a dataset as one HTML page: a scatter plot to point at, and a table; nothing is loaded."""

import base64
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.terminal.wording import counted

from .statistics import DECIMALS, Ranking, no_centroid, notes

_HERE = Path(__file__).resolve().parent


def write_scatter_page(path: Path, ranking: Ranking, top: int, *, panoramas: str | None = None) -> None:
    """Write the page, whole or not at all; see `scatter_page`.

    Raises:
        BuildError: no image has regions of interest.
        OutputError: the page cannot be written there.
        UsageError: `panoramas` is no address that a page may link to.
    """
    page = scatter_page(ranking, top, panoramas=panoramas).encode()
    try:
        write_bytes_atomic(path, page)
    except OSError as error:
        raise OutputError(f"{path}: a file that can be written expected ({error}); choose another --page.") from error


def scatter_page(ranking: Ranking, top: int, *, panoramas: str | None = None) -> str:
    """Return the page: one file that works offline and may load nothing, as its security policy says.

    Args:
        ranking: of the images.
        top: how many representatives are ringed.
        panoramas: address of a page to which images link, with `#image=` and their name after it.

    Raises:
        BuildError: no image has regions of interest.
        UsageError: `panoramas` is no address that a page may link to.
    """
    if panoramas is not None and (urlsplit(panoramas).scheme not in ("", "http", "https") or "#" in panoramas):
        raise UsageError(f"--panoramas: an http(s) or relative address without # expected, {panoramas!r} found")
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
    if ranking.centre is None:
        raise no_centroid("a page")
    centre = ranking.centre
    ringed = len(ranking.representatives(top))
    content = {
        "summary": (
            f"{counted(len(ranking.images), 'stitched image')}; centroid {centre.num_rois:,.1f} ROIs, mean intensity "
            f"{centre.mean_intensity:,.1f}; {counted(ringed, 'representative is', 'representatives are')} ringed."
        ),
        "notes": notes(ranking, top),
        "centroid": [round(centre.num_rois, DECIMALS), round(centre.mean_intensity, DECIMALS)],
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
