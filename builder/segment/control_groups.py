"""What the limits of a container, or of a job on a cluster, leave of the memory: control groups of Linux."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class _Hierarchy:
    """Where one version of control groups keeps the memory of a group, and what it calls the numbers."""

    mount: str
    limit: str
    used: str
    reclaimable: str


_VERSION_1 = _Hierarchy("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Hierarchy("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def control_group_room(root: Path) -> list[int]:
    """Return the bytes that this process may still take, one number for each limit that there is.

    Args:
        root: of the file system, with `proc` and `sys`.

    A group's limit holds for all groups in it, so those above count too. What a group uses includes files that were
    read and that the system drops as soon as it needs room; they count as free.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
    """
    rooms = [
        _room(folder, hierarchy)
        for hierarchy, group in _own_groups(root).items()
        for folder in _folders_upwards(root / hierarchy.mount, group)
    ]
    return [room for room in rooms if room is not None]


def _own_groups(root: Path) -> dict[_Hierarchy, str]:
    """Return the group of this process in each hierarchy; the topmost that can be seen where the system does not say.

    A line of `/proc/self/cgroup` is "number:controllers:/path"; version 2 has number 0 and no controllers.
    """
    groups = {_VERSION_2: "/", _VERSION_1: "/"}
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return groups
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if (number, controllers) == ("0", ""):
            groups[_VERSION_2] = group
        elif "memory" in controllers.split(","):
            groups[_VERSION_1] = group
    return groups


def _folders_upwards(mount: Path, group: str) -> Iterator[Path]:
    """Yield the folder of a group and those above it, up to the mount; a group outside of the mount has only that."""
    parts = PurePosixPath(group).parts[1:]
    if ".." in parts:
        parts = ()
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _room(folder: Path, hierarchy: _Hierarchy) -> int | None:
    """Return the bytes that a group's limit leaves, None without a limit or where there is no such group."""
    try:
        limit, used = (int((folder / name).read_text("utf-8")) for name in (hierarchy.limit, hierarchy.used))
    except (OSError, ValueError):  # not there, or "max": no limit
        return None
    return max(0, limit - max(0, used - _reclaimable(folder / "memory.stat", hierarchy.reclaimable)))


def _reclaimable(statistics: Path, name: str) -> int:
    try:
        found = re.search(rf"^{name} (\d+)$", statistics.read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return 0
    return int(found[1]) if found else 0
