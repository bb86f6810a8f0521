"""The files of the page, their types, and the policy under which a browser may run them."""

from collections.abc import Iterable
from pathlib import Path

from nucleusnet_core.errors import UsageError

STATIC_DIR = Path(__file__).parents[1] / "static"
LICENSES = "vendor/LICENSES.txt"
"""Written last when third-party files are fetched: where it is, all of them are."""

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def page_files(folder: Path = STATIC_DIR) -> dict[str, Path]:
    """Return the files of the page by their path in its address, with forward slashes.

    Raises:
        UsageError: the third-party files have not been fetched into this checkout.
    """
    if not (folder / LICENSES).is_file():
        raise UsageError(
            f"{folder / 'vendor'} does not hold the page's third-party files; run `make browser` in the checkout "
            "(`npm ci` and `npm run vendor` in browser/; npm comes with Node.js), or install a wheel."
        )
    found = sorted(path for path in folder.rglob("*") if path.suffix in CONTENT_TYPES and path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def security_policy(data_hosts: Iterable[str], *, framed: bool = False) -> str:
    """Return the Content-Security-Policy under which the page runs.

    Args:
        data_hosts: origins other than its own that the page reads from, such as "https://huggingface.co".
        framed: whether other pages may embed it; `frame-ancestors` is left out then.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": " ".join(["'self'", *data_hosts]),
        "base-uri": "'none'",
        "form-action": "'none'",
    } | ({} if framed else {"frame-ancestors": "'none'"})
    return "; ".join(f"{name} {value}" for name, value in rules.items())
