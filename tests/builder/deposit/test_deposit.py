"""Deposits against a Zenodo on loopback: linked drafts, resume, faults, publishing, and where the token goes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.archive.archive import archive
from builder.archive.index import alone, read_index
from builder.archive.plan import Limits
from builder.deposit.deposit import Deposited, deposit, publish_drafts
from builder.deposit.site import ZenodoSite, checked_url, zenodo_site
from nucleusnet_core.errors import (
    ArchiveError,
    DepositError,
    NucleusNetError,
    SourceChangedError,
    TransferError,
    UsageError,
)
from nucleusnet_core.storage.retries import RetryPolicy
from tests.builder.archive.archive_input import METADATA, options, write_stitched
from tests.zenodo.server import BOTH_SCOPES, Deposition, Fault, Zenodo, serve

from ..commands import COMMAND, environment

QUICK = RetryPolicy(
    give_up_seconds=20,
    first_contact_seconds=1,
    asked_seconds=10,
    most_attempts=6,
    first_delay_seconds=0.01,
    longest_delay_seconds=0.02,
    connect_seconds=2,
    stall_seconds=2,
)
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and terminals")


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pairs in two records of two zips."""
    folder = tmp_path_factory.mktemp("archived")
    write_stitched(folder / "stitched", 7)
    archive(options(folder / "stitched", folder / "zips"))
    return folder


@pytest.fixture
def zips(archived: Path, tmp_path: Path) -> Path:
    """A copy of the archive, and of what it was made from."""
    shutil.copytree(archived, tmp_path / "work")
    return tmp_path / "work" / "zips"


@pytest.fixture
def server() -> Iterator[Zenodo]:
    with serve() as running:
        yield running


def at(server: Zenodo, token: str = "zen_full") -> ZenodoSite:
    return ZenodoSite(server.url, token, "$ZENODO_TOKEN")


def send(zips: Path, server: Zenodo, token: str = "zen_full") -> list[Deposited]:
    return deposit(zips, at(server, token), policy=QUICK)


def release(zips: Path, server: Zenodo, token: str = "zen_full") -> list[Deposited]:
    return publish_drafts(zips, at(server, token), lambda _waiting: True, policy=QUICK)


def drafts(server: Zenodo) -> list[Deposition]:
    return [server.depositions[number] for number in sorted(server.depositions)]


def stored(server: Zenodo) -> list[dict[str, tuple[int, str]]]:
    return [{file.name: (file.size, file.md5) for file in draft.files.values()} for draft in drafts(server)]


def wanted(zips: Path) -> list[dict[str, tuple[int, str]]]:
    records = read_index(zips).records
    return [{name: (digest.bytes, digest.md5) for name, digest in record.files.items()} for record in records]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


def requests(server: Zenodo, method: str) -> int:
    return sum(seen[0] == method for seen in server.seen)


def test_every_record_becomes_a_draft_with_its_files_and_a_link_to_the_others(zips: Path, server: Zenodo) -> None:
    result = send(zips, server)
    assert stored(server) == wanted(zips)
    first, second = drafts(server)
    assert [record.draft.doi for record in result] == ["10.5072/zenodo.100", "10.5072/zenodo.101"]
    link = {"resource_type": "dataset"}
    part, whole = {"relation": "hasPart", **link}, {"relation": "isPartOf", **link}
    assert first.metadata["related_identifiers"] == [{**part, "identifier": "10.5072/zenodo.101"}]
    assert second.metadata["related_identifiers"] == [{**whole, "identifier": "10.5072/zenodo.100"}]
    assert second.metadata["title"] == "CV-1 nuclei (part 2 of 2)"
    assert second.metadata["description"] == (
        "<p>Nuclei of CV-1 cells.</p><p>Stained with DAPI &amp; imaged &lt;confocal&gt;.</p>"
    )
    assert second.metadata["creators"] == [
        {"name": "Doe, Jane", "affiliation": "Some Institute", "orcid": "0000-0002-1825-0097"},
        {"name": "Roe, Max", "affiliation": "Some Institute"},
    ]
    stated = {name: second.metadata[name] for name in ("license", "publication_date", "version", "upload_type")}
    assert stated == {
        "license": "cc-by-4.0", "publication_date": "2026-01-02", "version": "1.0.0", "upload_type": "dataset"
    }  # fmt: skip
    assert not first.submitted
    assert not second.submitted


def test_one_record_stands_alone(zips: Path, server: Zenodo) -> None:
    work = zips.parent
    (work / "one").mkdir()
    shutil.copy(next((work / "stitched").glob("*.tif")), work / "one")
    archive(options(work / "one", work / "onezip"))
    send(work / "onezip", server)
    assert drafts(server)[0].metadata["title"] == "CV-1 nuclei"
    assert "related_identifiers" not in drafts(server)[0].metadata


def test_a_finished_deposit_called_again_sends_nothing(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    before, received = len(server.seen), list(server.received)
    result = send(zips, server)
    assert [(record.sent, len(record.kept)) for record in result] == [([], 5), ([], 5)]
    assert server.received == received
    assert [method for method, _, _ in server.seen[before:]] == ["GET"] * 5


@posix_only
def test_killed_in_the_middle_of_a_file_the_next_call_sends_only_that_file_again(
    tmp_path: Path, server: Zenodo
) -> None:
    write_stitched(tmp_path / "stitched", 4, image_bytes=8_000_000)  # more than the buffers of a connection
    zips, slow = tmp_path / "zips", "stitched-003.zip"
    archive(options(tmp_path / "stitched", zips, Limits(20_000_000, 5, 9_000_000)))
    server.faults = [Fault(slow, seconds_per_chunk=0.02)]
    variables = environment() | {"NUCLEUSNET_ZENODO_URL": server.url, "ZENODO_TOKEN": "zen_full"}
    call = [*COMMAND, "deposit", "zips", "--quiet", "--json"]
    process = subprocess.Popen(call, cwd=tmp_path, env=variables)
    wait_for(lambda: server.faults[0].times == 0)
    time.sleep(0.3)
    process.kill()
    process.wait()
    wait_for(lambda: server.sent_bytes(slow) > 0)
    cut = server.sent_bytes(slow)
    sizes = {name: size for record in wanted(zips) for name, (size, _) in record.items()}
    assert 0 < cut < sizes[slow]
    done = subprocess.run(call, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert stored(server) == wanted(zips)
    assert len(server.depositions) == 2
    assert server.sent_bytes(slow) == sizes[slow] + cut
    assert all(server.sent_bytes(name) == sizes[name] for name in sizes if name.endswith(".zip") and name != slow)
    sent = [record["sent"] for record in json.loads(done.stdout)["records"]]
    assert sent == [0, 2], "record-2 lacked the zip in flight and the one after it"


@pytest.mark.parametrize("byte", [0, 1, 150_000])
def test_connections_that_break_at_any_byte_are_tried_again(zips: Path, server: Zenodo, byte: int) -> None:
    server.faults = [Fault("PUT /api/files/.*zip", times=3, reset_after=byte)]
    send(zips, server)
    assert stored(server) == wanted(zips)
    assert server.sent_bytes("stitched-001.zip") == 3 * byte + wanted(zips)[0]["stitched-001.zip"][0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_storms_on_every_request_are_sat_out(zips: Path, server: Zenodo, status: int) -> None:
    server.faults = [
        Fault(pattern, times=3, status=status) for pattern in ("^GET", "^POST", "^PUT .*depos", "^PUT .*zip")
    ]
    send(zips, server)
    server.faults = [Fault("^POST", times=3, status=status)]
    release(zips, server)
    assert stored(server) == wanted(zips)
    assert [draft.submitted for draft in drafts(server)] == [True, True]


def test_a_storm_without_end_is_told_and_the_next_call_goes_on(zips: Path, server: Zenodo) -> None:
    server.faults = [Fault("PUT .*stitched-002", times=99, status=503)]
    with pytest.raises(TransferError, match=r"stitched-002\.zip.*status 503 \(6 x\)"):
        send(zips, server)
    server.faults = []
    result = send(zips, server)
    assert result[0].sent == ["stitched-002.zip"]
    assert stored(server) == wanted(zips)


def test_a_line_that_breaks_late_each_time_does_not_use_up_the_patience(zips: Path, server: Zenodo) -> None:
    hasty = replace(QUICK, give_up_seconds=0.3, first_delay_seconds=0.1, longest_delay_seconds=0.1)
    server.faults = [Fault("PUT .*stitched-001", times=5, reset_after=150_000)]
    deposit(zips, at(server), policy=hasty)
    assert stored(server) == wanted(zips)
    server.faults = [Fault("GET", times=5, status=503)]
    with pytest.raises(TransferError, match="status 503"):
        deposit(zips, at(server), policy=hasty)


def test_the_wait_that_the_site_asks_for_is_kept(zips: Path, server: Zenodo) -> None:
    server.faults = [Fault("POST", status=429, headers={"Retry-After": "1"})]
    began = time.monotonic()
    send(zips, server)
    assert time.monotonic() - began >= 1


def test_a_used_up_rate_limit_is_waited_for_until_its_reset(zips: Path, server: Zenodo) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3)}
    server.faults = [Fault("POST", status=429, headers=reset)]
    began = time.monotonic()
    send(zips, server)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("fault", [{"wrong_md5": "f" * 32}, {"store_wrong": True}])
def test_another_md5_than_ours_is_never_taken(zips: Path, server: Zenodo, fault: dict[str, Any]) -> None:
    server.faults = [Fault("PUT .*stitched-001", times=2, **fault)]
    send(zips, server)
    assert server.sent_bytes("stitched-001.zip") == 3 * wanted(zips)[0]["stitched-001.zip"][0]
    assert stored(server) == wanted(zips)


def test_a_site_that_always_states_another_md5_is_told_and_nothing_is_published(zips: Path, server: Zenodo) -> None:
    server.faults = [Fault("PUT .*stitched-001", times=99, store_wrong=True)]
    with pytest.raises(DepositError, match=r"stitched-001\.zip: five answers in a row were wrong.* MD5 '0{32}'"):
        send(zips, server)
    with pytest.raises(DepositError, match=r"stitched-002\.zip is missing; stitched-001\.zip has .* MD5 0{32};"):
        release(zips, server)
    assert requests(server, "POST") == 2


@pytest.mark.parametrize("token", ["zen_wrong", "zen_old"])
def test_a_refused_token_is_told_before_anything_is_sent(zips: Path, server: Zenodo, token: str) -> None:
    with pytest.raises(DepositError, match=r"401.*with \*\*\*.*\$ZENODO_TOKEN is wrong, has expired"):
        send(zips, server, token)
    assert server.seen == [("GET", "/api/deposit/depositions?size=1", 401)]


def test_a_token_that_expires_on_the_way_ends_the_call_and_a_new_one_goes_on(zips: Path, server: Zenodo) -> None:
    server.expire_after = 9
    with pytest.raises(DepositError, match="has expired"):
        send(zips, server)
    assert requests(server, "PUT") > 2
    server.expire_after, server.tokens = None, {"zen_new": BOTH_SCOPES}
    send(zips, server, "zen_new")
    assert stored(server) == wanted(zips)
    assert len(server.depositions) == 2


def test_a_token_that_may_only_read_or_only_write_is_told(zips: Path, server: Zenodo) -> None:
    server.tokens = {"zen_read": frozenset(), "zen_write": frozenset({"deposit:write"})}
    with pytest.raises(DepositError, match=r"403.*scopes deposit:write and deposit:actions"):
        send(zips, server, "zen_read")
    send(zips, server, "zen_write")
    with pytest.raises(DepositError, match=r"publish.*403.*scopes"):
        release(zips, server, "zen_write")
    assert not any(draft.submitted for draft in drafts(server))


def test_a_full_quota_is_told_at_once(zips: Path, server: Zenodo) -> None:
    server.quota_bytes = 300_000
    with pytest.raises(
        DepositError, match=r"stitched-002\.zip: refused with status 413 \(Bucket quota exceeded.*smaller"
    ):
        send(zips, server)
    assert server.sent_bytes("stitched-002.zip") == 0
    assert [status for _, path, status in server.seen if "stitched-002" in path] == [413]


def test_too_many_files_are_told_with_the_site_s_words(zips: Path, server: Zenodo) -> None:
    server.most_files = 4
    with pytest.raises(DepositError, match="more files than the limit"):
        send(zips, server)


@pytest.mark.parametrize("times", [1, 3])
def test_a_draft_whose_answer_was_lost_is_found_again_and_not_made_twice(
    zips: Path, server: Zenodo, times: int
) -> None:
    server.faults = [Fault("POST .*depositions$", times=times, lose_answer=True)]
    send(zips, server)
    assert len(server.depositions) == 2
    assert stored(server) == wanted(zips)


def test_a_crash_between_making_a_draft_and_noting_it_makes_no_second_one(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    journal = zips.parent / "zips.deposit.json"
    content = json.loads(journal.read_bytes())
    for notes in content["sites"][server.url].values():
        notes["draft"] = None
    journal.write_text(json.dumps(content), "utf-8")
    result = send(zips, server)
    assert [record.draft.id for record in result] == [100, 101]
    assert len(server.depositions) == 2


def test_publishing_is_done_once_even_if_the_answer_is_lost(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    server.faults = [Fault("POST .*publish", times=1, lose_answer=True)]
    result = release(zips, server)
    assert [draft.submitted for draft in drafts(server)] == [True, True]
    assert [record.record for record in result] == ["record-1", "record-2"]
    before = requests(server, "POST")
    release(zips, server)
    assert requests(server, "POST") == before, "what is published is not published again"


def test_nothing_is_published_without_consent(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    asked: list[str] = []

    def refuse(waiting: list[Deposited]) -> bool:
        asked.extend(record.draft.doi for record in waiting)
        return False

    assert publish_drafts(zips, at(server), refuse, policy=QUICK) == []
    assert asked == ["10.5072/zenodo.100", "10.5072/zenodo.101"]
    assert not any(draft.submitted for draft in drafts(server))


def remove_file(server: Zenodo) -> None:
    del drafts(server)[1].files["stitched-003.zip"]


def alter_file(server: Zenodo) -> None:
    drafts(server)[1].files["stitched-003.zip"].md5 = "a" * 32


def remove_draft(server: Zenodo) -> None:
    del server.depositions[101]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_file, r"stitched-003\.zip is missing"),
        (alter_file, r"stitched-003\.zip has .* MD5 a{32}"),
        (remove_draft, "has no draft of record-2"),
    ],
)
def test_publishing_is_refused_unless_every_file_of_every_record_is_there(
    zips: Path, server: Zenodo, damage: Callable[[Zenodo], None], words: str
) -> None:
    send(zips, server)
    damage(server)
    with pytest.raises(DepositError, match=words + ".*without --publish"):
        release(zips, server)
    assert not any(draft.submitted for draft in drafts(server))
    send(zips, server)
    release(zips, server)
    assert all(draft.submitted for draft in drafts(server))


def test_publishing_before_any_deposit_is_refused(zips: Path, server: Zenodo) -> None:
    with pytest.raises(DepositError, match="has no draft of record-1"):
        release(zips, server)


def test_a_changed_archive_replaces_what_was_sent_and_nothing_else(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    drafts(server)[0].files["added by hand.pdf"] = replace(
        drafts(server)[0].files["SHA256SUMS"], name="added by hand.pdf"
    )
    (zips.parent / "stitched" / "Run06TL_top_left.tif").unlink()
    (zips.parent / "stitched" / "Run06TL_top_left_cp_masks.png").unlink()
    archive(options(zips.parent / "stitched", zips, overwrite=True))
    result = send(zips, server)
    assert "stitched-001.zip" in result[0].kept
    first, second = stored(server)
    assert first.pop("added by hand.pdf")
    assert [first, second] == wanted(zips)
    assert "stitched-004.zip" not in second
    assert len(server.depositions) == 2


def test_words_changed_on_the_site_stay_until_the_archive_says_something_new(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    drafts(server)[0].metadata["title"] = "Edited by hand"
    send(zips, server)
    assert drafts(server)[0].metadata["title"] == "Edited by hand"
    renamed = replace(METADATA, title="CV-1 nuclei, second try")
    archive(replace(options(zips.parent / "stitched", zips, overwrite=True), metadata=renamed))
    send(zips, server)
    assert drafts(server)[0].metadata["title"] == "CV-1 nuclei, second try (part 1 of 2)"


def test_a_published_record_is_left_alone_or_refused_if_it_differs(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    release(zips, server)
    received = list(server.received)
    assert [record.draft.published for record in send(zips, server)] == [True, True]
    (zips.parent / "stitched" / "Run06TL_top_left.tif").write_bytes(b"new")
    archive(options(zips.parent / "stitched", zips, overwrite=True))
    with pytest.raises(DepositError, match="make a new version on the site"):
        send(zips, server)
    assert server.received == received


def test_a_file_that_changed_since_it_was_archived_never_arrives_whole(zips: Path, server: Zenodo) -> None:
    path = zips / "record-1" / "stitched-002.zip"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceChangedError, match=r"stitched-002\.zip.*archive` again"):
        send(zips, server)
    assert "stitched-002.zip" not in stored(server)[0]


def shorten(zips: Path) -> None:
    os.truncate(zips / "record-2" / "stitched-003.zip", 10)


def link_out(zips: Path) -> None:
    path = zips / "record-2" / "contents.csv"
    path.rename(zips.parent / "elsewhere.csv")
    path.symlink_to(zips.parent / "elsewhere.csv")


def lead_out(zips: Path) -> None:
    text = (zips / "archive.json").read_text("utf-8")
    (zips / "archive.json").write_text(text.replace("stitched-003.zip", "../../secret"), "utf-8")


def no_creators(zips: Path) -> None:
    content = json.loads((zips / "archive.json").read_bytes())
    content["metadata"]["creators"] = []
    (zips / "archive.json").write_text(json.dumps(content), "utf-8")


def no_license(zips: Path) -> None:
    text = (zips / "archive.json").read_text("utf-8")
    (zips / "archive.json").write_text(text.replace("CC-BY-4.0", "unknown"), "utf-8")


@posix_only
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda zips: (zips / "archive.json").unlink(), r"is not a finished archive, because it has no archive\.json"),
        (lambda zips: (zips / "archive.json").write_text("[]", "utf-8"), "is not the index of an archive"),
        (lambda zips: (zips / "record-1" / "SHA256SUMS").unlink(), "SHA256SUMS is missing or a link"),
        (shorten, r"stitched-003\.zip has 10 bytes instead of "),
        (link_out, r"contents\.csv is missing or a link"),
        (lead_out, "is not a plain file name"),
        (no_creators, "names no creator, .* --creator"),
        (no_license, "names no license, .* --license"),
    ],
)
def test_an_unfinished_or_damaged_archive_is_refused_before_anything_is_sent(
    zips: Path, server: Zenodo, damage: Callable[[Path], None], words: str
) -> None:
    damage(zips)
    with pytest.raises(ArchiveError, match=words):
        send(zips, server)
    assert server.seen == []


def test_a_folder_that_is_no_archive_is_named(tmp_path: Path, server: Zenodo) -> None:
    for folder, words in ((tmp_path / "no", "not a finished archive"), (tmp_path / "no" / "no", "nor does the folder")):
        with pytest.raises(ArchiveError, match=words):
            send(folder, server)
    assert list(tmp_path.iterdir()) == []


def test_damaged_notes_are_told_and_not_forgotten(zips: Path, server: Zenodo) -> None:
    send(zips, server)
    (zips.parent / "zips.deposit.json").write_text('{"format": 1, "sites": ', "utf-8")
    with pytest.raises(DepositError, match=r"zips\.deposit\.json, the notes of earlier deposits, cannot be read"):
        send(zips, server)
    assert len(server.depositions) == 2


def test_two_at_once_are_refused(zips: Path, server: Zenodo) -> None:
    with alone(zips), pytest.raises(ArchiveError, match="at work there"):
        send(zips, server)
    assert server.seen == []


def test_the_token_goes_to_no_other_site(zips: Path, server: Zenodo) -> None:
    with serve() as other:
        server.bucket_site = other.url
        with pytest.raises(DepositError, match="with a bucket on the same site"):
            send(zips, server)
        server.bucket_site = ""
        server.faults = [Fault("GET", status=302, headers={"Location": f"{other.url}/api/deposit/depositions"})]
        with pytest.raises(DepositError, match="status 302"):
            send(zips, server)
        assert other.seen == []


def test_answers_that_the_api_does_not_describe_are_told(zips: Path, server: Zenodo) -> None:
    server.faults = [Fault("GET .*files", status=200)]
    with pytest.raises(DepositError, match="the answer is not a list as Zenodo's API describes it"):
        send(zips, server)
    server.faults = [Fault("GET .*100$", status=200)]
    with pytest.raises(DepositError, match="the answer is not a deposition as"):
        send(zips, server)


def test_a_site_that_is_not_there_is_told_soon(zips: Path, server: Zenodo) -> None:
    with serve() as gone:
        pass
    with pytest.raises(TransferError, match="ConnectError"):
        send(zips, gone)


@pytest.mark.parametrize(
    "url",
    [
        "http://zenodo.org",
        "http://127.0.0.1.example.org",
        "https://user:secret@zenodo.org",
        "https://zenodo.org/?access_token=secret",
        "https://zenodo.org/api",
        "ftp://zenodo.org",
        "zenodo.org",
    ],
)
def test_addresses_to_which_no_token_may_go_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"is not an address such as https://zenodo\.org") as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_the_site_and_its_token_are_chosen_by_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUCLEUSNET_ZENODO_URL", raising=False)
    monkeypatch.setenv("ZENODO_TOKEN", "real\n")
    monkeypatch.setenv("ZENODO_SANDBOX_TOKEN", "play")
    (tmp_path / "token").write_text("filed\n", "utf-8")
    assert zenodo_site(sandbox=False, token_file=None) == ZenodoSite("https://zenodo.org", "real", "$ZENODO_TOKEN")
    assert zenodo_site(sandbox=True, token_file=None) == ZenodoSite(
        "https://sandbox.zenodo.org", "play", "$ZENODO_SANDBOX_TOKEN"
    )
    assert zenodo_site(sandbox=True, token_file=tmp_path / "token").token == "filed"
    assert "real" not in repr(zenodo_site(sandbox=False, token_file=None))
    monkeypatch.delenv("ZENODO_SANDBOX_TOKEN")
    with pytest.raises(UsageError, match=r"\$ZENODO_SANDBOX_TOKEN is not set to a personal access token"):
        zenodo_site(sandbox=True, token_file=None)
    for content in ("", "two words", "x" * 5000, "tökn"):
        (tmp_path / "token").write_text(content, "utf-8")
        with pytest.raises(UsageError) as caught:
            zenodo_site(sandbox=False, token_file=tmp_path / "token")
        assert content == "" or content not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        zenodo_site(sandbox=False, token_file=tmp_path / "missing")


def command(zips: Path, server: Zenodo, *arguments: str, token: str = "zen_full") -> subprocess.CompletedProcess[str]:
    variables = environment() | {"NUCLEUSNET_ZENODO_URL": server.url, "ZENODO_TOKEN": token}
    call = [*COMMAND, "deposit", "zips", *arguments]
    return subprocess.run(
        call, cwd=zips.parent, env=variables, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_a_folder_that_is_no_archive_is_said_before_a_token_is_asked_for(tmp_path: Path, server: Zenodo) -> None:
    (tmp_path / "zips").mkdir()
    for arguments in ([], ["--publish", "--yes"]):
        done = command(tmp_path / "zips", server, *arguments, token="")
        assert done.returncode == 1
        assert (
            "zips is not a finished archive, because it has no archive.json; give the folder that `nuc" in done.stderr
        )
        assert "ZENODO_TOKEN" not in done.stderr


def test_the_commands_deposit_and_publish_and_the_token_is_never_seen(zips: Path, server: Zenodo) -> None:
    token = "zen_SECRETSECRET"
    server.tokens = {token: BOTH_SCOPES, "zen_full": frozenset()}
    runs = [
        command(zips, server, token=token + "expired"),
        command(zips, server, "--zenodo", token=token),
        command(zips, server, "--publish", token=token),
        command(zips, server, "--publish", "--yes", "--json", token=token),
        command(zips, server, "--sandbox", token=token),
        command(zips, server, "--yes", token=token),
    ]
    assert [done.returncode for done in runs] == [1, 0, 2, 0, 2, 2]
    assert "record-2: draft, 5 files sent, 0 there before, doi 10.5072/zenodo.101" in runs[1].stdout
    assert "--publish asks for confirmation, and there is no terminal to ask on" in runs[2].stderr
    assert [record["published"] for record in json.loads(runs[3].stdout)["records"]] == [True, True]
    assert all(draft.submitted for draft in drafts(server))
    texts = [done.stdout + done.stderr for done in runs]
    texts += [path.read_text("latin-1") for path in zips.parent.rglob("*") if path.is_file()]
    texts += [path for _, path, _ in server.seen]
    assert any("10.5072" in text for text in texts)
    assert not any("SECRET" in text for text in texts)


@posix_only
@pytest.mark.parametrize(("answer", "published", "code"), [("n", False, 1), ("y", True, 0)])
def test_a_terminal_is_asked_before_publishing(
    zips: Path, server: Zenodo, answer: str, published: bool, code: int
) -> None:
    import pty

    send(zips, server)
    ours, theirs = pty.openpty()
    variables = environment() | {"NUCLEUSNET_ZENODO_URL": server.url, "ZENODO_TOKEN": "zen_full"}
    process = subprocess.Popen(
        [sys.executable, *COMMAND[1:], "deposit", "zips", "--publish"],
        cwd=zips.parent,
        env=variables,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    _, messages = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code
    assert "10.5072/zenodo.101" in messages
    assert "cannot be deleted or changed" in messages
    assert [draft.submitted for draft in drafts(server)] == [published] * 2


def test_every_error_of_ours_is_one_the_command_line_knows() -> None:
    assert issubclass(DepositError, NucleusNetError)
    assert issubclass(ArchiveError, NucleusNetError)
