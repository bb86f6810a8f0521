"""The exported site reads its repository by itself, from a Hub at another address."""

import contextlib
import functools
import json
import re
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from browser.page.export import export_site
from browser.page.sources import PageSource, hub_source, named_repository, served_source
from browser.page.static_files import STATIC_DIR, page_files
from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.storage.hub_names import HubRepository
from tests.chromium import NewTab
from tests.range_server import QuietServer, RangeServer, serve, serving

REPOSITORY = "lab/nucleusnet"


@contextlib.contextmanager
def hub(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A host at another port that lets pages of all origins read, as the Hub does, and sends them on to its storage."""
    shutil.copytree(folder, root / "storage")
    prefix = f"datasets/{REPOSITORY}/resolve/main/"
    with serve(root) as server:
        server.headers = {"Access-Control-Allow-Origin": "*"}
        server.redirect_to = lambda path: (
            f"{server.url}/storage/{path.removeprefix(prefix)}" if path.startswith(prefix) else None
        )
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


class QuietHandler(SimpleHTTPRequestHandler):
    """Python's own web server, which knows nothing of ranges or of us."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test output clean."""


def any_web_server(root: Path) -> contextlib.AbstractContextManager[str]:
    return serving(QuietServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(root))))


def test_the_exported_site_draws_from_its_repository(
    folder: Path, tmp_path: Path, tab: NewTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "space"
    out.mkdir()
    with hub(folder, tmp_path / "hub", monkeypatch) as repository, any_web_server(out) as host:
        repository_found = named_repository(REPOSITORY)
        assert repository_found == HubRepository(REPOSITORY, None)
        export_site(hub_source(repository_found), REPOSITORY, out)
        looked = tab()
        looked.page.goto(f"{host}/#split=train&n=30&seed=2")
        looked.page.wait_for_selector("body[data-drawn]")
        assert looked.page.locator(".tile").count() == 30
        assert looked.page.inner_text("#name") == REPOSITORY
        assert not [url for url in looked.requests if not url.startswith((host, repository.url))]
        assert {request.method for request in repository.seen} == {"GET"}
        assert looked.complaints == []


def test_the_policy_of_the_exported_page_names_the_hub_and_may_be_framed(tmp_path: Path) -> None:
    export_site(hub_source(HubRepository(REPOSITORY, "v1.0")), REPOSITORY, tmp_path / "space")
    page = (tmp_path / "space/index.html").read_text("utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert policy == (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co; "
        "base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<script")
    assert json.loads((tmp_path / "space/source.json").read_text("utf-8")) == {
        "name": REPOSITORY,
        "base": f"https://huggingface.co/datasets/{REPOSITORY}/resolve/v1.0/",
        "panoramas": None,
    }


def test_the_export_is_a_static_space_with_all_files_and_licences(tmp_path: Path) -> None:
    files = export_site(hub_source(HubRepository(REPOSITORY, None)), REPOSITORY, tmp_path / "space")
    on_disk = {
        path.relative_to(tmp_path / "space").as_posix() for path in (tmp_path / "space").rglob("*") if path.is_file()
    }
    assert on_disk == set(files) == {*page_files(), "README.md", "source.json"}
    card = (tmp_path / "space/README.md").read_text("utf-8")
    assert card.startswith("---\ntitle: nucleusnet browser\n")
    assert "\nsdk: static\n" in card
    assert f"\ndatasets:\n- {REPOSITORY}\n" in card
    licences = (tmp_path / "space/vendor/LICENSES.txt").read_text("utf-8")
    locked = json.loads((STATIC_DIR.parent / "package-lock.json").read_text("utf-8"))["packages"]
    used = {name.removeprefix("node_modules/"): entry for name, entry in locked.items() if name}
    footer = " ".join((tmp_path / "space/index.html").read_text("utf-8").partition("<footer")[2].split())
    for name, entry in used.items():
        assert f"{name} {entry['version']} ({entry['license']})" in licences
        assert f"{name} ({entry['license']})" in footer


def test_the_lock_file_names_no_host_and_only_exact_versions() -> None:
    folder = STATIC_DIR.parent
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    entries = {name.removeprefix("node_modules/"): entry for name, entry in lock["packages"].items() if name}
    assert {name: entry["version"] for name, entry in entries.items()} == json.loads(
        (folder / "package.json").read_text("utf-8")
    )["dependencies"]
    assert all(entry["integrity"].startswith("sha512-") for entry in entries.values())
    assert '"resolved"' not in (folder / "package-lock.json").read_text("utf-8")


def test_an_export_replaces_only_an_earlier_one_and_only_when_asked(tmp_path: Path) -> None:
    source = hub_source(HubRepository(REPOSITORY, None))
    out = tmp_path / "space"
    export_site(source, REPOSITORY, out)
    (out / "extra.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="exists; pass --overwrite to replace it"):
        export_site(source, REPOSITORY, out)
    export_site(source, REPOSITORY, out, overwrite=True)
    assert not (out / "extra.txt").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("years of work", "utf-8")
    with pytest.raises(UsageError, match="holds something else; choose another --export"):
        export_site(source, REPOSITORY, other, overwrite=True)
    assert (other / "chapter.tex").read_text("utf-8") == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["space", "thesis"]


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = hub_source(HubRepository(REPOSITORY, None))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match="is the current folder; name a folder inside it"):
        export_site(source, REPOSITORY, Path())
    export_site(source, REPOSITORY, Path("space"))
    with pytest.raises(UsageError, match="exists and holds something else"):
        export_site(source, REPOSITORY, Path())
    monkeypatch.chdir(tmp_path / "here/space")
    with pytest.raises(OutputError, match="is the current folder"):
        export_site(source, REPOSITORY, Path("../space"), overwrite=True)
    assert (tmp_path / "here/space/index.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_checkout_without_third_party_files_names_the_command(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(STATIC_DIR, tmp_path / "static", ignore=shutil.ignore_patterns("vendor")))
    with pytest.raises(UsageError, match="make browser"):
        page_files(copy)


def test_what_a_source_is_called_and_where_the_page_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert served_source("/data/my nuclei") == PageSource("my nuclei", "data/")
    assert served_source("C:\\data\\nuclei") == PageSource("nuclei", "data/")
    assert named_repository("hf://datasets/lab/nuclei@v2") == HubRepository("lab/nuclei", "v2")
    assert hub_source(HubRepository("lab/nuclei", "a/b")).base == (
        "https://huggingface.co/datasets/lab/nuclei/resolve/a%2Fb/"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab" / "nuclei").mkdir(parents=True)
    assert named_repository("lab/nuclei") is None
