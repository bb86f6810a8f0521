"""Pages in a real browser without a screen: Debian's Chromium, driven by Playwright, which brings none of its own."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Tab:
    """A page, the addresses it asked for, and its complaints: errors, and messages in the console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class NewTab(Protocol):
    """Opens a tab with an empty cache of its own."""

    def __call__(self, *, width: int = 1280, height: int = 800, **options: Any) -> Tab:
        """Open a tab of this size, px; other options are those of Playwright's `Browser.new_context`."""


def executable() -> str:
    """Return the path of a Chromium: `$CHROMIUM`, or the first that is installed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.fail(
            f"none of the programs {', '.join(PROGRAMS)} is installed, and tests of pages need one; "
            "sudo apt-get install chromium, or set CHROMIUM to the path of one.",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="module")
def browser_process() -> Iterator[Browser]:
    """A browser; it ends with the module, as Playwright's event loop would hinder tests that need one of their own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def tab(browser_process: Browser) -> Iterator[NewTab]:
    """Opens tabs and closes them after the test."""
    contexts: list[BrowserContext] = []

    def open_tab(*, width: int = 1280, height: int = 800, **options: Any) -> Tab:
        context = browser_process.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        opened = Tab(context.new_page())

        def heard(message: ConsoleMessage) -> None:
            opened.complaints.append(f"{message.type}: {message.text}")

        opened.page.on("console", heard)
        opened.page.on("pageerror", lambda error: opened.complaints.append(f"error: {error}"))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        return opened

    yield open_tab
    for context in contexts:
        context.close()
