"""Images whose channels are files of their own: the name pattern's group `channel` tells which belong together."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Failure, UsageError
from ..stitched_names import FoundFiles, name_below
from .channels import ChannelOptions, Channels, channel_name, check_channel_names, taken
from .names import CHANNEL

_SEPARATORS = "_-. "


@dataclass(frozen=True)
class ChannelFiles:
    """Images put together from the files of their channels.

    Attributes:
        files: as found, with the file of the first channel as the only image of each stem.
        further: files of the further channels of each stem, in the order of `channels`.
        channels: that are taken.
        failures: what cannot be used.
    """

    files: FoundFiles
    further: Mapping[str, tuple[Path, ...]]
    channels: Channels
    failures: list[Failure]


def join_channels(files: FoundFiles, folder: Path, pattern: re.Pattern[str], options: ChannelOptions) -> ChannelFiles:
    """Put the files of each image together.

    The stem of an image is what is left of a name without the channel: `field01_dapi.tif` and `field01_actin.tif` are
    `field01`. Its mask is called after it, or after one of its files, which then tells the channel of the masks.

    Args:
        files: of the folder.
        folder: of the images.
        pattern: with a group `channel`.
        options: what the user says of channels.

    Raises:
        UsageError: nothing tells the channel of the masks, or the user names a channel that is not there.
    """
    found = _read_channels(files.images, folder, pattern)
    masks, made_on = _masks(files.masks, found.owners)
    usual = _usual_channels(found.images)
    names = _taken(usual, options, made_on) if usual else ()
    failures = [*found.failures, *_unlike(found.images, names, given=bool(options.names or options.only), usual=usual)]
    bad = {failure.name for failure in failures}
    good = {stem: channels for stem, channels in found.images.items() if stem not in bad}
    joined = replace(
        files,
        images={stem: [channels[names[0]]] for stem, channels in good.items()},
        masks={stem: paths for stem, paths in masks.items() if stem not in bad},
    )
    further = {stem: tuple(channels[name] for name in names[1:]) for stem, channels in good.items()}
    return ChannelFiles(joined, further, Channels(names), failures)


def of_channel(images: Mapping[str, Path], folder: Path, pattern: re.Pattern[str], channel: str) -> dict[str, Path]:
    """Return the images of one channel.

    Args:
        images: by stem.
        folder: that they lie in.
        pattern: for their names, with a group `channel`.
        channel: that is wanted.

    Raises:
        UsageError: the pattern has no such group, no channel is named, or none of the images has it.
    """
    if CHANNEL not in pattern.groupindex or not channel:
        raise UsageError(
            "--name-pattern with a group channel and --channel NAME belong together: they say which files show the "
            "nuclei; give both, or neither."
        )
    found = _read_channels({stem: [path] for stem, path in images.items()}, folder, pattern)
    known = sorted({name for _, name in found.owners.values()})
    if channel not in known:
        raise UsageError(f"--channel: no image has a channel {channel}; the channels are {', '.join(known) or 'none'}.")
    return {stem: images[stem] for stem, (_, name) in found.owners.items() if name == channel}


def joined_name(name: str, span: tuple[int, int]) -> str:
    """Return a name without its channel, and without the sign that set it apart.

    >>> joined_name("field01_dapi", (8, 12)), joined_name("dapi/field01", (0, 4)), joined_name("a_dapi_s1", (2, 6))
    ('field01', 'field01', 'a_s1')
    """
    left, right = name[: span[0]], name[span[1] :]
    before, after = left.rstrip(_SEPARATORS), right.lstrip(_SEPARATORS)
    if before[-1:] in ("", "/") or after[:1] in ("", "/"):
        return f"{before}{after}".replace("//", "/").strip("/")
    return before + (left[len(before) :] or right[: len(right) - len(after)])[:1] + after


@dataclass(frozen=True)
class _Read:
    """What the names of files say of channels.

    Attributes:
        images: file of each channel, by stem of the image.
        owners: image and channel of a file, by its own stem.
        failures: files whose names say no channel, and images that have one twice.
    """

    images: dict[str, dict[str, Path]]
    owners: dict[str, tuple[str, str]]
    failures: list[Failure]


def _read_channels(files: Mapping[str, list[Path]], folder: Path, pattern: re.Pattern[str]) -> _Read:
    """Read image and channel from the name of each file."""
    read = _Read({}, {}, [])
    for stem, paths in files.items():
        name = name_below(paths[0], folder)
        match = pattern.fullmatch(name)
        if match is None or not match[CHANNEL]:
            read.failures.append(
                Failure(stem, f"{paths[0].name}: --name-pattern finds no channel in {name!r}; rename it.")
            )
            continue
        joined = joined_name(name, match.span(CHANNEL)).replace("/", "__")
        channels, channel = read.images.setdefault(joined, {}), channel_name(match[CHANNEL])
        if channel in channels:
            both = f"{channels[channel].name} and {paths[0].name}"
            read.failures.append(Failure(joined, f"{both} are both channel {channel}; rename or remove one."))
        channels[channel] = paths[0]
        read.owners[stem] = joined, channel
    check_channel_names(
        "--name-pattern", sorted({channel for channels in read.images.values() for channel in channels})
    )
    return read


def _masks(
    found: Mapping[str, list[Path]], owners: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, list[Path]], set[str]]:
    """Return the masks by stem of the image, and the channels that masks are called after."""
    masks: dict[str, list[Path]] = defaultdict(list)
    made_on = set()
    for stem, paths in found.items():
        joined, channel = owners.get(stem, (stem, ""))
        masks[joined] += paths
        made_on |= {channel} - {""}
    return dict(masks), made_on


def _usual_channels(images: Mapping[str, Mapping[str, Path]]) -> frozenset[str]:
    """Return the channels that most images have; of sets that are equally frequent, the first in the alphabet."""
    counts = Counter(frozenset(channels) for channels in images.values())
    return min(counts, key=lambda channels: (-counts[channels], sorted(channels)), default=frozenset())


def _taken(usual: Iterable[str], options: ChannelOptions, made_on: set[str]) -> tuple[str, ...]:
    """Return the channels that are taken, that of the masks first.

    Raises:
        UsageError: nothing tells the channel of the masks, or the user names a channel that is not there.
    """
    here = sorted(usual)
    if absent := [name for name in options.names if name not in here]:
        raise UsageError(f"--channels: no image has a channel {absent[0]}; the channels are {', '.join(here)}.")
    known = options.names or here
    if not options.only and not options.mask and len(known) > 1:
        told = made_on & set(known)
        if len(told) != 1 and not options.names:
            raise UsageError(
                f"the channels are {', '.join(here)}, and nothing tells which of them the masks were made on; pass "
                f"--mask-channel {here[0]}, for example."
            )
        if len(told) == 1:
            options = replace(options, mask=told.pop())
    return taken(known, options, "the names of the files")


def _unlike(
    images: Mapping[str, Mapping[str, Path]], names: Iterable[str], *, given: bool, usual: frozenset[str]
) -> list[Failure]:
    """Return a failure for each image that lacks a channel, or has others where the user named none."""
    failures = []
    for stem, channels in images.items():
        if missing := [name for name in names if name not in channels]:
            failures.append(Failure(stem, f"{stem} has no file of channel {', '.join(missing)}; add it."))
        elif not given and set(channels) != usual:
            wanted = ",".join(sorted(usual))
            failures.append(
                Failure(
                    stem,
                    f"{stem} has the channels {', '.join(sorted(channels))}, and the other images have "
                    f"{', '.join(sorted(usual))}; pass --channels {wanted} to take these of every image.",
                )
            )
    return failures
