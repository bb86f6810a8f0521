"""Which site takes a deposit, and the token for it."""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from nucleusnet_core.errors import UsageError

ZENODO_URL = "https://zenodo.org"
SANDBOX_URL = "https://sandbox.zenodo.org"
URL_VARIABLE = "NUCLEUSNET_ZENODO_URL"
TOKEN_VARIABLE = "ZENODO_TOKEN"
SANDBOX_TOKEN_VARIABLE = "ZENODO_SANDBOX_TOKEN"
_MAX_TOKEN_BYTES = 4096
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class ZenodoSite:
    """A site that speaks Zenodo's API.

    Attributes:
        url: its address, without a slash at the end.
        token: personal access token; in no representation of this object.
        token_from: where the token came from, for messages.
    """

    url: str
    token: str = field(repr=False)
    token_from: str

    @property
    def host(self) -> str:
        """Its name, for messages."""
        return urlsplit(self.url).netloc

    @property
    def is_loopback(self) -> bool:
        """Whether it runs on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def zenodo_site(*, sandbox: bool, token_file: Path | None) -> ZenodoSite:
    """Return the site to deposit at; `$NUCLEUSNET_ZENODO_URL` names another one, for tests and other installations.

    Raises:
        UsageError: the address is not safe, or there is no token.
    """
    url = checked_url(os.environ.get(URL_VARIABLE) or (SANDBOX_URL if sandbox else ZENODO_URL))
    variable = SANDBOX_TOKEN_VARIABLE if sandbox else TOKEN_VARIABLE
    if token_file is not None:
        return ZenodoSite(url, checked_token(read_token(token_file), str(token_file)), str(token_file))
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UsageError(
            f"${variable} is not set to a personal access token of {url}; make one at "
            f"{url}/account/settings/applications/tokens/new/ with the scopes deposit:write and deposit:actions, and "
            "set the variable, or name a file with --token-file."
        )
    return ZenodoSite(url, checked_token(token, f"${variable}"), f"${variable}")


def checked_url(url: str) -> str:
    """Return an address to which a token may be sent: https, or this machine.

    Raises:
        UsageError: a token must not be sent there.
    """
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    bare = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.rstrip("/"))
    if not safe or not bare or not parts.hostname:
        raise UsageError(
            f"${URL_VARIABLE} is not an address such as https://zenodo.org (http only on this machine, nothing behind "
            "the host); correct or unset it."
        )
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("127.0.0.1.example.org")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """Return the token in a file.

    Raises:
        UsageError: there is no such file, or it is too large for a token.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--token-file: {path} cannot be read ({error.strerror or error}).") from error
    if len(data) > _MAX_TOKEN_BYTES:
        raise UsageError(f"--token-file: {path} is too large to hold nothing but a token.")
    return data.decode("ascii", "replace").strip()


def checked_token(token: str, where: str) -> str:
    """Return a token; what cannot be one is refused, and the message does not repeat it.

    Raises:
        UsageError: it is empty, or has blanks or other characters in it.
    """
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"{where} does not hold one token of letters and digits.")
    return token
