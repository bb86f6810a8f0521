"""Files that were replaced by others of the same size and time are noticed; those that only moved are not cut again."""

import os
import shutil
from pathlib import Path

from nucleusnet_core.files.hashing import file_fingerprint, file_sha256, is_unchanged


def test_a_file_of_another_content_is_noticed_whatever_size_and_time_say(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"one")
    fingerprint, sha256 = file_fingerprint(path), file_sha256(path)
    assert is_unchanged(path, fingerprint, sha256)
    for content, same in ((b"two", False), (b"one", True)):
        other = tmp_path / "other"
        other.write_bytes(content)
        shutil.copystat(path, other)
        other.replace(path)
        assert file_fingerprint(path)[:2] == fingerprint[:2]
        assert is_unchanged(path, fingerprint, sha256) == same
    path.write_bytes(b"abc")
    os.utime(path, ns=(0, fingerprint[1]))
    assert not is_unchanged(path, fingerprint, sha256)
    path.write_bytes(b"one")
    os.utime(path, ns=(0, fingerprint[1] + 10**9))  # where the time differs, the file is read anew in any case
    assert not is_unchanged(path, fingerprint, sha256)


def test_of_a_fingerprint_of_size_and_time_alone_the_bytes_decide(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"one")
    assert is_unchanged(path, file_fingerprint(path)[:2], file_sha256(path))
    assert not is_unchanged(path, file_fingerprint(path)[:2], "0" * 64)
