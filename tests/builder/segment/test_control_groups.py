"""What control groups leave of the memory, on folders laid out as Linux lays out its own."""

import sys
from pathlib import Path

import pytest

from builder.segment.control_groups import control_group_room
from builder.segment.memory import available_memory

GB = 10**9
UNLIMITED_1 = 9223372036854771712  # what version 1 says where there is no limit


def root(folder: Path, lines: str) -> Path:
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(lines)
    (folder / "proc/meminfo").write_text("MemTotal:       64000000 kB\nMemAvailable:   60000000 kB\n")
    return folder


def group_2(root: Path, path: str, limit: int | str, used: int, inactive: int = 0) -> None:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nactive_file 7\ninactive_file {inactive}\nslab 3\n")


def group_1(root: Path, path: str, limit: int, used: int, inactive: int = 0) -> None:
    folder = root / "sys/fs/cgroup/memory" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"inactive_file 9\ntotal_cache 7\ntotal_inactive_file {inactive}\n")


def test_files_that_the_system_can_drop_count_as_free(tmp_path: Path) -> None:
    container = root(tmp_path, "0::/\n")
    group_2(container, "", 16 * GB, 15 * GB, inactive=12 * GB)
    assert control_group_room(container) == [13 * GB]


def test_the_limit_of_a_job_below_the_top_is_found_and_those_above_it_too(tmp_path: Path) -> None:
    node = root(tmp_path, "0::/system.slice/slurmstepd.scope/job_7/step_0\n")
    group_2(node, "system.slice/slurmstepd.scope/job_7/step_0", "max", 3 * GB)
    group_2(node, "system.slice/slurmstepd.scope/job_7", 8 * GB, 5 * GB, inactive=GB)
    group_2(node, "system.slice/slurmstepd.scope", "max", 50 * GB)
    group_2(node, "system.slice", 90 * GB, 51 * GB)
    group_2(node, "system.slice/slurmstepd.scope/job_8", GB, GB)
    assert control_group_room(node) == [4 * GB, 39 * GB]


def test_version_1_is_read_too_with_its_own_names(tmp_path: Path) -> None:
    node = root(tmp_path, "5:devices:/x\n4:cpu,memory:/slurm/uid_1:2/job_7\n1:name=systemd:/y\n0::/\n")
    group_1(node, "slurm/uid_1:2/job_7", 8 * GB, 6 * GB, inactive=2 * GB)
    group_1(node, "", UNLIMITED_1, 30 * GB)
    assert control_group_room(node) == [4 * GB, UNLIMITED_1 - 30 * GB]


@pytest.mark.parametrize("lines", ["4:memory:/docker/0123\n", "4:memory:/../other\n", "", "damaged\n"])
def test_a_group_that_is_not_seen_from_inside_a_container_has_the_limit_at_the_top(lines: str, tmp_path: Path) -> None:
    container = root(tmp_path, lines)
    group_1(container, "", 2 * GB, GB)
    group_1(container, "../other", 1, 0)
    assert control_group_room(container) == [GB]


def test_more_than_the_limit_in_use_leaves_nothing_and_no_limit_is_none(tmp_path: Path) -> None:
    container = root(tmp_path / "full", "0::/\n")
    group_2(container, "", GB, 2 * GB)
    assert control_group_room(container) == [0]
    free = root(tmp_path / "free", "0::/\n")
    group_2(free, "", "max", GB)
    assert control_group_room(free) == []
    assert control_group_room(tmp_path / "nothing") == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_smallest_room_is_what_is_available(tmp_path: Path) -> None:
    node = root(tmp_path, "4:memory:/job\n0::/\n")
    assert available_memory(node) == 61_440_000_000
    group_2(node, "", 70 * GB, GB)
    assert available_memory(node) == 61_440_000_000
    group_1(node, "job", 9 * GB, 2 * GB, inactive=GB)
    assert available_memory(node) == 8 * GB
