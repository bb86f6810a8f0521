"""A dataset folder on a web server."""

from urllib.parse import quote, urlsplit, urlunsplit

from ..errors import DatasetNotFoundError, NucleusNetError
from .answers import Headers
from .remote import RemoteStore
from .retries import RetryPolicy


class HttpStore(RemoteStore):
    """A dataset folder at a URL; the server must be able to send parts of files.

    Size, entity tag and time of modification are remembered from the first read of a file on: a dataset that is
    uploaded again while it is read is an error, not a mixture.

    Args:
        url: the folder's; a query, such as a signature, goes with every request, and is never shown.
        policy: how long failing reads are tried again.

    Raises:
        DatasetNotFoundError: it is not an http(s) URL.
    """

    def __init__(self, url: str, policy: RetryPolicy | None = None) -> None:
        super().__init__(policy or RetryPolicy())
        try:
            self._parts = urlsplit(url)
            valid = self._parts.scheme in ("http", "https") and bool(self._parts.hostname) and self._parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            shown = url.partition("?")[0].rpartition("@")[2]
            raise DatasetNotFoundError(f"{shown} is not the http(s) URL of a dataset folder; check the spelling.")

    @property
    def name(self) -> str:
        """The URL without a password or a query."""
        parts = self._parts
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def _url(self, path: str) -> str:
        """See `RemoteStore`."""
        parts = self._parts
        return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/{quote(path)}", parts.query, ""))

    def _headers(self, url: str) -> dict[str, str]:
        """See `RemoteStore`."""
        return {"User-Agent": "nucleusnet"}

    def _refusal(self, path: str, url: str, status: int, headers: Headers) -> NucleusNetError:
        """See `RemoteStore`."""
        where = f"{self.name}/{path}"
        if status in (401, 403):
            return DatasetNotFoundError(
                f"{where} may not be read (status {status}); check the URL and your permissions."
            )
        return DatasetNotFoundError(
            f"{where} is not there (status {status}); check the URL, and that the whole folder was uploaded."
        )
