"""Which channels are taken, in which order, and where they lie: decided once, before any image is read.

The channels of an image are the planes of its file, or files of their own. The first channel that is taken is the one
that its mask belongs to.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ..contract import MOST_CHANNEL_LETTERS, MOST_CHANNELS
from ..errors import InputImageError, UsageError
from .header import spread
from .planes import StoredPlanes, read_stored_planes
from .sample_values import plain_name

_NAME = re.compile(rf"[a-z0-9_]{{1,{MOST_CHANNEL_LETTERS}}}")


def channel_name(name: str) -> str:
    """Return the name of a channel as columns have it: small letters of English, digits and _.

    >>> channel_name("DAPI"), channel_name("Alexa 488")
    ('dapi', 'alexa_488')
    """
    return plain_name(f"c{name}")[1:].strip("_").lower()[:MOST_CHANNEL_LETTERS]


def check_channel_names(option: str, names: Sequence[str]) -> None:
    """Refuse names that columns cannot have, too many of them, and one twice.

    Raises:
        UsageError: there is such a one.
    """
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        better = channel_name(odd[0]) or "dna"
        raise UsageError(
            f"{option}: {odd[0]!r} cannot be the name of a channel, which has small letters of English, digits and _; "
            f"write {better}, for example."
        )
    if len(names) > MOST_CHANNELS or len(set(names)) < len(names):
        raise UsageError(f"{option}: {', '.join(names)} has a name twice, or more than {MOST_CHANNELS} names.")


@dataclass(frozen=True)
class ChannelOptions:
    """What a user says about channels.

    Attributes:
        names: of all channels: those that the files name, in the order wanted, or new names of their planes.
        only: the one channel to take, empty for all.
        mask: the channel that the masks were made on, empty for the first.
    """

    names: tuple[str, ...] = ()
    only: str = ""
    mask: str = ""

    @classmethod
    def of_text(cls, names: str | None, only: str | None = None, mask: str | None = None) -> Self:
        """Return what the options `--channels A,B`, `--channel A` and `--mask-channel A` say.

        Raises:
            UsageError: a name cannot be that of a channel, or is there twice.
        """
        listed = tuple(channel_name(name) for name in names.split(",")) if names is not None else ()
        return cls(listed, *("" if name is None else channel_name(name) or "?" for name in (only, mask)))

    def __post_init__(self) -> None:
        """Refuse names that no column can have.

        Raises:
            UsageError: there is such a one.
        """
        check_channel_names("--channels", self.names)
        for option, name in (("--channel", self.only), ("--mask-channel", self.mask)):
            check_channel_names(option, (name,) if name else ())
        if self.only and self.mask and self.mask != self.only:
            raise UsageError(
                f"--channel {self.only} takes one channel, so the masks belong to it; omit --mask-channel."
            )


@dataclass(frozen=True)
class Channels:
    """The channels of the images of a folder.

    Attributes:
        names: those that are taken, that of the masks first; none where the only one has no name.
        planes: names of the planes of every file in their order; none where every file is one plane.
        renamed: the user gave the names of `planes`; what the files call them does not matter.
    """

    names: tuple[str, ...] = ()
    planes: tuple[str, ...] = ()
    renamed: bool = False

    @property
    def further(self) -> tuple[str, ...]:
        """The names behind the first."""
        return self.names[1:]

    def first_alone(self) -> "Channels":
        """Return these channels without the further ones."""
        return replace(self, names=self.names[:1])


ALL_CHANNELS = ChannelOptions()
"""Every channel that the files have, under the names that they give it."""
ONE_PLANE = Channels()
"""Every file is one plane without a name, as most are."""


def find_channels(images: Sequence[Path], options: ChannelOptions) -> Channels:
    """Return the channels of images that are one file each, from the headers of up to three of them.

    Files that cannot be read, and files with other channels than the rest, are left for the one who reads them all.

    Raises:
        UsageError: what the user says does not fit the files, or the planes of the files have no names.
    """
    seen = {}
    for path in spread(images):
        try:
            seen[path] = read_stored_planes(path)
        except InputImageError:
            continue
    if not seen:
        return ONE_PLANE
    stored = Counter(seen.values()).most_common(1)[0][0]
    example = next(path.name for path, planes in seen.items() if planes == stored)
    return channels_of_planes(stored, options, example)


def find_one_channel(images: Sequence[Path], options: ChannelOptions) -> Channels:
    """Return the one channel of images that is worked on, as `find_channels`.

    Raises:
        UsageError: as `find_channels`, or there are several and the user names none.
    """
    channels = find_channels(images, options)
    if channels.further:
        raise UsageError(
            f"the images have the channels {', '.join(channels.names)}; pass --channel with the one that shows nuclei."
        )
    return channels


def channels_of_planes(stored: StoredPlanes, options: ChannelOptions, example: str) -> Channels:
    """Return the channels of files with such planes.

    Args:
        stored: number and names of the planes of a file.
        options: what the user says.
        example: name of such a file.

    Raises:
        UsageError: the planes have no names, or the user names channels that are not there.
    """
    own = tuple(map(channel_name, stored.names))
    if len(set(own)) < len(own) or not all(own):
        own = ()
    if stored.count == 1:
        _refuse_several(options, own, example)
        return Channels(options.names or ((options.only,) if options.only else ()))
    if not options.names:
        if not own:
            raise UsageError(_no_names(stored, example))
        return Channels(taken(own, options, example), own)
    if set(options.names) <= set(own):
        return Channels(taken(options.names, options, example), own)
    if set(options.names) & set(own):
        raise UsageError(
            f"--channels {','.join(options.names)}: {example} has the channels {', '.join(own)}; name channels that it "
            "has, or give every plane a new name."
        )
    if len(options.names) != stored.count:
        has = f"the channels {', '.join(own)}" if own else f"{stored.count} planes without names"
        raise UsageError(
            f"--channels names {len(options.names)}, and {example} has {has}; name as many, in the order of the planes."
        )
    return Channels(taken(options.names, options, example), options.names, renamed=True)


def taken(known: Sequence[str], options: ChannelOptions, example: str) -> tuple[str, ...]:
    """Return the names that are taken of those that are there, that of the masks first.

    Raises:
        UsageError: the user asks for one that is not there.
    """
    for option, name in (("--channel", options.only), ("--mask-channel", options.mask)):
        if name and name not in known:
            raise UsageError(f"{option}: there is no channel {name} in {example}; it has {', '.join(known)}.")
    if options.only:
        return (options.only,)
    first = options.mask or known[0]
    return (first, *(name for name in known if name != first))


def _refuse_several(options: ChannelOptions, own: tuple[str, ...], example: str) -> None:
    """Refuse to take several channels of files that have one, or another one than theirs."""
    asked = {*options.names, *(name for name in (options.only, options.mask) if name)}
    if len(asked) > 1 or (options.only and options.only not in (*own, *options.names)):
        has = f"the channel {own[0]}" if own else "one plane"
        raise UsageError(
            f"{', '.join(sorted(asked))}: {example} has {has}; where each channel is a file of its own, "
            "--name-pattern tells which by a group channel, such as (?P<run>.+)_(?P<channel>dapi|actin)."
        )


def _no_names(stored: StoredPlanes, example: str) -> str:
    names = ",".join(("dapi", "actin", "tubulin", "golgi")[: stored.count])
    more = "" if stored.count <= 4 else ",..."
    return (
        f"{example} has {stored.count} planes without names; if they are channels, name them in their order with "
        f"--channels {names}{more}, and add --channel to take only one of them."
    )
