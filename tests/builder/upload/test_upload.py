"""`nucleusnet upload` against a Hub that the real clients talk to: what it sends, refuses, and leaves alone."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from builder.upload.journal import journal_path, open_journal
from builder.upload.upload import UploadOptions
from nucleusnet_core.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    TransferError,
    UploadError,
    UsageError,
)
from tests.builder.commands import COMMAND
from tests.builder.published import (
    IMPATIENT,
    REPO,
    Heard,
    command_environment,
    large_bytes,
    make_new_version,
    publish,
    published_as,
    visible,
)
from tests.hub.repository import Blob
from tests.hub.server import Hub


def run_command(
    hub: Hub, home: Path, *arguments: str | Path, token: str | None = "hf_write"
) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "upload", *map(str, arguments)]
    environment = command_environment(hub, home, token)
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, encoding="utf-8", check=False)


READ = """
import json
import nucleusnet_dataset
from datasets import load_dataset

def rows(name, config):
    splits = load_dataset(name, config, streaming=True)
    return {split: [row["nucleus_id"] for row in rows.select_columns(["nucleus_id"])] for split, rows in splits.items()}

found = {
    "named": rows("user/nucleusnet", "metadata"),
    "bare": rows("nucleusnet", "metadata"),
    "default": {split: len(ids) for split, ids in rows("user/nucleusnet", "default").items()},
    "sample": sorted(nucleusnet_dataset.sample(20, source="user/nucleusnet", seed=1)["nucleus_id"]),
}
print(json.dumps(found))
"""


def test_what_was_uploaded_streams_samples_and_has_the_bare_name(hub: Hub, folder: Path, tmp_path: Path) -> None:
    journal_path(folder).unlink()
    done = run_command(hub, tmp_path, folder, "--repo", REPO, "--tag", "v1.0.0", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert visible(hub) == visible(hub, "v1.0.0") == published_as(folder)
    assert (summary["created"], summary["commit"]) == (True, hub.repositories[REPO].branches["main"])
    assert hub.arrived_bytes == large_bytes(folder)
    assert "send" in done.stderr
    assert "hf_write" not in done.stdout + done.stderr + journal_path(folder).read_text()
    again = run_command(hub, tmp_path, folder, "--repo", REPO, "--tag", "v1.0.0", "--quiet")
    assert again.stdout.splitlines() == [
        f"{hub.url}/datasets/{REPO}, branch main: holds this version already, nothing sent",
        f"commit {summary['commit']}",
        "tag v1.0.0",
    ]
    assert again.stderr == ""
    environment = command_environment(hub, tmp_path, "hf_read") | {"NUCLEUSNET_REPO": REPO}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    read = subprocess.run(
        [sys.executable, "-c", READ], env=environment, cwd=elsewhere, capture_output=True, encoding="utf-8", check=False
    )
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout.splitlines()[-1])
    splits = json.loads((folder / "manifest.json").read_bytes())["splits"]
    assert found["default"] == splits
    assert found["named"] == found["bare"]
    assert {split: len(ids) for split, ids in found["named"].items()} == splits
    assert len(set(found["sample"])) == 20
    assert set(found["sample"]) <= set(found["named"]["train"])


def test_a_finished_upload_sends_nothing_again_and_checks_nothing_again(hub: Hub, folder: Path) -> None:
    first = publish(folder, hub, tag="v1.0.0")
    sent, asked, heard = hub.arrived_bytes, len(hub.seen), Heard()
    again = publish(folder, hub, tag="v1.0.0", progress=heard)
    assert (again.plan.nothing, again.commit) == (True, first.commit)
    assert hub.arrived_bytes == sent
    assert len(hub.seen) - asked <= 5
    assert heard.stages == []
    assert hub.requests("/commit/main") == ["POST /api/datasets/user/nucleusnet/commit/main 200"]


@pytest.mark.parametrize("notes", [b"", b"{}", b'{"format": 0}', b'{"format": 1, "files": [3], "cards": {}}'])
def test_notes_that_cannot_be_read_are_forgotten(hub: Hub, folder: Path, notes: bytes) -> None:
    journal_path(folder).write_bytes(notes)
    first, second = Heard(), Heard()
    publish(folder, hub, progress=first)
    assert first.verified
    assert sorted(path.name for path in folder.parent.iterdir()) == ["nucleusnet", "nucleusnet.upload.json"]
    publish(folder, hub, progress=second)
    assert second.stages == []


@pytest.mark.parametrize("public", [False, True])
def test_a_new_repository_is_private_unless_public_is_asked_for(hub: Hub, folder: Path, public: bool) -> None:
    publish(folder, hub, public=public)
    assert hub.repositories[REPO].private is not public
    heard = Heard()
    publish(folder, hub, public=True, progress=heard)
    assert hub.repositories[REPO].private is not public
    assert any("stays private" in text for text in heard.said) is not public


def test_a_dry_run_says_what_it_would_send_and_changes_nothing(hub: Hub, folder: Path) -> None:
    plan = publish(folder, hub, dry_run=True, tag="v1.0.0").plan
    assert {file.path for file in plan.send} == set(published_as(folder))
    assert hub.repositories == {}
    publish(folder, hub)
    make_new_version(folder)
    before = visible(hub)
    result = publish(folder, hub, dry_run=True)
    assert (result.commit, result.created) == (None, False)
    assert [path.split("/")[0] for path in result.plan.delete] == ["10k"] * len(result.plan.delete) != []
    assert visible(hub) == before
    assert hub.requests("^(PUT|POST)")[-1].split("/")[-1].startswith("main 200")


def test_a_new_version_replaces_the_old_one_and_leaves_other_files_alone(hub: Hub, folder: Path) -> None:
    publish(folder, hub, tag="v1.0.0")
    first = visible(hub)
    repository = hub.repositories[REPO]
    added = {"LICENSE": Blob.regular(b"CC-BY"), "data/notes.txt": Blob.regular(b"mine")}
    repository.add_commit("main", "by hand", repository.at("main").files | added)
    make_new_version(folder)
    result = publish(folder, hub, tag="v2.0.0")
    mine = {path: blob.oid for path, blob in added.items()}
    assert visible(hub) == visible(hub, "v2.0.0") == published_as(folder) | mine
    assert visible(hub, "v1.0.0") == first
    assert set(result.plan.delete) == {path for path in first if path.startswith("10k/")}


@pytest.mark.parametrize("public", [False, True])
def test_a_dry_run_needs_no_token_for_what_everybody_may_read_and_leaves_no_notes(
    hub: Hub, folder: Path, tmp_path: Path, public: bool
) -> None:
    journal_path(folder).unlink()
    done = run_command(hub, tmp_path, folder, "--repo", REPO, "--dry-run", "--json", "--quiet", token=None)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["created"]
    assert done.stderr == f"nucleusnet: {REPO} is new, or it is private and cannot be seen without a token.\n"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["nucleusnet"]
    assert hub.repositories == {}
    publish(folder, hub, public=public)
    make_new_version(folder)
    notes, before = journal_path(folder).read_bytes(), visible(hub)
    done = run_command(hub, tmp_path, folder, "--repo", REPO, "--dry-run", "--json", "--quiet", token=None)
    assert json.loads(done.stdout)["created"] is not public, "a private one cannot be seen"
    assert (json.loads(done.stdout)["unchanged"] > 0) is public
    assert (journal_path(folder).read_bytes(), visible(hub)) == (notes, before)


def test_a_dry_run_is_no_second_upload(hub: Hub, folder: Path) -> None:
    with open_journal(folder):
        assert publish(folder, hub, dry_run=True).created


def test_the_folder_of_the_bare_name_is_published_unless_another_is_named(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    done = run_command(hub, folder.parent, "--repo", REPO, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["folder"] == "nucleusnet"
    assert visible(hub) == published_as(folder)
    done = run_command(hub, tmp_path, "owner/elsewhere", "--repo", REPO)
    assert done.returncode == 2
    assert done.stderr.startswith("nucleusnet: owner/elsewhere is not a folder on this machine")


@pytest.mark.parametrize("files", [{"model.bin": b"x"}, {"manifest.json": b"{}", "index.html": b""}])
def test_a_repository_of_something_else_is_refused(hub: Hub, folder: Path, files: dict[str, bytes]) -> None:
    publish(folder, hub)
    repository = hub.repositories[REPO]
    repository.add_commit("main", "other", {path: Blob.regular(data) for path, data in files.items()})
    before = (visible(hub), hub.arrived_bytes)
    with pytest.raises(UploadError, match="name another repository"):
        publish(folder, hub)
    assert (visible(hub), hub.arrived_bytes) == before


def test_a_card_edited_in_the_folder_is_uploaded_as_it_is(hub: Hub, folder: Path) -> None:
    publish(folder, hub)
    card = folder / "README.md"
    card.write_text(card.read_text("utf-8") + "\nThanks to Zoë.\n", "utf-8")
    sent = hub.arrived_bytes
    heard = Heard()
    result = publish(folder, hub, progress=heard)
    assert [file.path for file in result.plan.send] == ["README.md"]
    assert (hub.arrived_bytes, heard.stages) == (sent, [("send 1 file", "B")])
    assert visible(hub) == published_as(folder)
    card.write_text(card.read_text("utf-8").replace("num_examples: ", "num_examples: 9"), "utf-8")
    with pytest.raises(CorruptDataError, match=r"README\.md: the number of rows of config .* is 9\d+, but"):
        publish(folder, hub)


def test_a_card_edited_on_the_hub_stops_the_upload_unless_it_may_be_replaced(hub: Hub, folder: Path) -> None:
    publish(folder, hub)
    repository = hub.repositories[REPO]
    edited = repository.at("main").files | {"README.md": Blob.regular(b"---\nlicense: mit\n---\nedited\n")}
    repository.add_commit("main", "edited in the browser", edited)
    make_new_version(folder)
    with pytest.raises(UploadError, match="--replace-card"):
        publish(folder, hub)
    publish(folder, hub, replace_card=True)
    assert visible(hub) == published_as(folder)


def test_a_missing_token_is_an_error_before_the_hub_is_asked(hub: Hub, folder: Path, tmp_path: Path) -> None:
    done = run_command(hub, tmp_path, folder, "--repo", REPO, token=None)
    assert done.returncode == 1
    assert "no Hugging Face token was found; log in with `hf auth login`" in done.stderr
    assert hub.seen == []


FINE: dict[str, object] = {"role": "fineGrained", "fineGrained": {"scoped": [{"permissions": ["repo.content.read"]}]}}


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_old", r"status 401.*refused or has expired"),
        ("hf_read", "the token is read-only; log in"),
        ("hf_fine", "the token is read-only; log in"),
    ],
)
def test_a_token_that_cannot_write_is_an_error_before_anything_is_sent(
    hub: Hub, folder: Path, token: str, message: str
) -> None:
    hub.tokens["hf_fine"], hub.token_facts["hf_fine"] = "write", FINE
    with pytest.raises(UploadError, match=message):
        publish(folder, hub, token=token)
    assert [line.split()[1] for line in hub.requests()] == ["/api/whoami-v2"]
    assert hub.repositories == {}


def test_a_damaged_folder_or_none_is_not_sent(hub: Hub, folder: Path, tmp_path: Path) -> None:
    shard = next((folder / "data").iterdir())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptDataError, match=rf"nothing was sent:\n  data/{shard.name}: its SHA-256 is"):
        publish(folder, hub)
    with pytest.raises(DatasetNotFoundError):
        publish(tmp_path / "nothing", hub)
    assert hub.repositories == {}


def test_a_tag_of_another_version_is_refused_before_anything_is_sent(hub: Hub, folder: Path) -> None:
    publish(folder, hub, tag="v1.0.0")
    make_new_version(folder)
    before = (visible(hub), hub.arrived_bytes)
    with pytest.raises(UploadError, match=r"v1\.0\.0 already names commit"):
        publish(folder, hub, tag="v1.0.0")
    assert (visible(hub), hub.arrived_bytes) == before


def test_a_new_branch_is_made_and_the_main_one_stays(hub: Hub, folder: Path) -> None:
    publish(folder, hub)
    first = visible(hub)
    make_new_version(folder)
    publish(folder, hub, revision="next/2.0")
    assert visible(hub, "next/2.0") == published_as(folder)
    assert visible(hub) == first
    hub.repositories[REPO].tags["frozen"] = hub.repositories[REPO].branches["main"]
    with pytest.raises(UploadError, match="frozen is a tag, not a branch"):
        publish(folder, hub, revision="frozen")


def test_xet_is_switched_off_where_the_hub_has_none_and_only_for_the_upload(hub: Hub, folder: Path) -> None:
    before = constants.HF_HUB_DISABLE_XET
    publish(folder, hub)
    assert before is constants.HF_HUB_DISABLE_XET
    assert hub.requests("xet-write-token") == ["GET /api/datasets/user/nucleusnet/xet-write-token/main 404"]


def test_a_card_that_the_hub_refuses_is_an_error_before_anything_is_sent(hub: Hub, folder: Path) -> None:
    hub.card_errors = ['"license" must be one of [...]']
    with pytest.raises(
        UploadError, match=r'the Hub refuses the lines at the top of README\.md: "license" must be one of'
    ):
        publish(folder, hub)
    assert (visible(hub), hub.arrived_bytes) == ({}, 0)


def test_a_link_that_came_into_a_verified_folder_is_refused(hub: Hub, folder: Path, tmp_path: Path) -> None:
    publish(folder, hub)
    (tmp_path / "secret").write_text("private")
    (folder / "data" / "notes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(CorruptDataError, match=r"data/notes\.txt: this is a link"):
        publish(folder, hub)


def test_the_client_uses_xet_where_the_hub_offers_it_and_its_failures_are_waited_out(hub: Hub, folder: Path) -> None:
    hub.offers_xet = True
    heard = Heard()
    with pytest.raises(TransferError, match=r"attempts failed in \d\.\d s: .*run the upload again"):
        publish(folder, hub, policy=replace(IMPATIENT, give_up_seconds=1.0), progress=heard)
    assert hub.requests("POST /cas/v1/xorbs/")
    assert hub.requests("PUT /storage/") == []
    assert any("trying again in" in text for text in heard.said)
    assert visible(hub) == {}


@pytest.mark.parametrize(("option", "value"), [("repo_id", "nucleusnet"), ("revision", "../main"), ("tag", "")])
def test_names_that_cannot_be_some_are_wrong_usage(folder: Path, option: str, value: str) -> None:
    names = {"repo_id": REPO, option: value}
    with pytest.raises(UsageError, match=r"is not of the form owner/name|is not a name of letters"):
        UploadOptions(folder, **names)  # type: ignore[arg-type]


def test_wrong_usage_exits_two(hub: Hub, folder: Path, tmp_path: Path) -> None:
    done = run_command(hub, tmp_path, folder, "--repo", "nucleusnet")
    assert done.returncode == 2
    assert "--repo: 'nucleusnet' is not of the form owner/name." in done.stderr
    assert hub.seen == []
