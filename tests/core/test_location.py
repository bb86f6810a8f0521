"""What a SOURCE means."""

from pathlib import Path

import pytest

from nucleusnet_core.errors import DatasetNotFoundError, UsageError
from nucleusnet_core.location import bare_name_target, locate
from nucleusnet_core.storage.folder import FolderStore
from nucleusnet_core.storage.hub_names import HubRepository, hub_repository


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and none of the variables."""
    monkeypatch.chdir(tmp_path)
    for name in ("NUCLEUSNET_DATA", "NUCLEUSNET_REPO", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def make_dataset(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("card", "utf-8")
    return folder


def test_the_bare_name_is_the_dataset_here_before_any_variable(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEUSNET_DATA", str(make_dataset(workplace / "other")))
    monkeypatch.setenv("NUCLEUSNET_REPO", "lab/nucleusnet")
    folder = make_dataset(workplace / "nucleusnet")
    assert bare_name_target() == "nucleusnet"
    assert locate("nucleusnet").name == str(folder.resolve())


def test_a_checkout_called_nucleusnet_is_not_the_dataset(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "nucleusnet").mkdir()
    (workplace / "nucleusnet" / "README.md").write_text("sources", "utf-8")
    monkeypatch.setenv("NUCLEUSNET_REPO", "lab/nucleusnet")
    assert bare_name_target() == "lab/nucleusnet"
    data = make_dataset(workplace / "Daten 2 µm")
    monkeypatch.setenv("NUCLEUSNET_DATA", str(data))
    assert bare_name_target() == str(data)
    assert locate("nucleusnet").name == str(data.resolve())


def test_the_bare_name_without_a_meaning_names_both_variables() -> None:
    with pytest.raises(DatasetNotFoundError, match=r"README\.md and data/; .*\$NUCLEUSNET_DATA .*\$NUCLEUSNET_REPO"):
        bare_name_target()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("NUCLEUSNET_DATA", "missing", r"\$NUCLEUSNET_DATA is 'missing', and there is no such folder"),
        ("NUCLEUSNET_REPO", "no owner", r"\$NUCLEUSNET_REPO is 'no owner', not owner/name"),
    ],
)
def test_a_variable_with_a_useless_value_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(DatasetNotFoundError, match=expected):
        bare_name_target()


def test_a_folder_is_one_as_text_and_as_path(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_dataset(workplace / "owner" / "name")
    for source in ("owner/name", folder, str(folder), Path("owner/name"), "./owner/name"):
        store = locate(source)
        assert isinstance(store, FolderStore)
        assert store.name == str(folder.resolve())
    monkeypatch.setenv("HOME", str(workplace))
    monkeypatch.setenv("USERPROFILE", str(workplace))
    assert locate("~/owner/name").name == str(folder.resolve())


@pytest.mark.parametrize(
    ("source", "repo_id", "revision"),
    [
        ("lab/nucleusnet", "lab/nucleusnet", None),
        ("lab/nucleusnet@v1.0.0", "lab/nucleusnet", "v1.0.0"),
        ("hf://datasets/lab/nucleusnet", "lab/nucleusnet", None),
        ("hf://datasets/lab/nucleusnet@refs%2Fpr%2F1", "lab/nucleusnet", "refs/pr/1"),
        ("https://huggingface.co/datasets/lab/nucleusnet", "lab/nucleusnet", None),
        ("https://huggingface.co/datasets/lab/nucleusnet/tree/main", "lab/nucleusnet", "main"),
        ("http://hub.example:8080/datasets/lab/nucleusnet/", "lab/nucleusnet", None),
    ],
)
def test_the_ways_to_name_a_repository(
    monkeypatch: pytest.MonkeyPatch, source: str, repo_id: str, revision: str | None
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example:8080/")
    assert hub_repository(source) == HubRepository(repo_id, revision)


@pytest.mark.parametrize(
    "source",
    [
        "./nucleusnet",
        "../nucleusnet",
        "nucleusnet",
        "a/b/c",
        "hf://lab/model",
        "hf://datasets/lab/nucleusnet/data",
        "https://example.org/lab/nucleusnet",
    ],
)
def test_what_is_no_repository(source: str) -> None:
    assert hub_repository(source) is None


@pytest.mark.parametrize(
    "source", ["missing", "a/b/c", "file:///data", "", "s3://bucket/data", "C:\\Daten", "~nobody/x", "x" * 300]
)
def test_a_source_that_is_nothing_says_what_could_be_one(source: str) -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"no such folder, and it is neither an http\(s\) URL nor owner/name on the Hub"
    ):
        locate(source)


def test_a_source_that_is_no_text_says_so() -> None:
    with pytest.raises(UsageError, match=r"^None does not name a dataset; give its folder, .*owner/name on the Hub"):
        locate(None)  # type: ignore[arg-type]


def test_only_the_hub_has_revisions(workplace: Path) -> None:
    make_dataset(workplace / "set")
    for source in ("set", "http://127.0.0.1:9/set"):
        with pytest.raises(UsageError, match="has no revision 'v1': only a repository on the Hub has revisions"):
            locate(source, revision="v1")
    with pytest.raises(UsageError, match="names revision 'v1', and 'v2' is given too"):
        locate("lab/nucleusnet@v1", revision="v2")


def test_a_file_is_no_dataset_and_not_taken_for_a_repository(workplace: Path) -> None:
    make_dataset(workplace / "set")
    for source in ("set/README.md", workplace / "set" / "README.md"):
        with pytest.raises(DatasetNotFoundError, match=r"README\.md is a file, not a dataset folder"):
            locate(source)
