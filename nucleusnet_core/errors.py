"""Exceptions that every part of NucleusNet raises; one subclass for each decision a caller can take.

A message states the fact and where it holds, then what is needed where that is not clear, then what to do about it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """An input that did not become a part of the output, and why: listed, so that one bad image costs no others."""

    name: str
    message: str


class NucleusNetError(Exception):
    """Root of all errors that NucleusNet raises on purpose; the command line prints no traceback for it."""


class UsageError(NucleusNetError, ValueError):
    """An argument or option has a value that cannot be used."""


class InputImageError(NucleusNetError):
    """A stitched image cannot be used: unreadable, truncated, of the wrong type or size."""


class InputMaskError(NucleusNetError):
    """A mask cannot be used: unreadable, truncated, not a label image, or with too few bits for its labels."""


class PairingError(NucleusNetError):
    """Images and masks of a folder do not pair up."""


class WeightsError(NucleusNetError):
    """The weights of a network cannot be used: damaged, of another network, or not on this machine."""


class SegmentationError(NucleusNetError):
    """An image cannot be segmented here: there is too little memory, or a mask of another origin is in the way."""


class OutputError(NucleusNetError):
    """The output cannot be written where asked: it exists, is not writable, or the disk is full."""


class OutputDiskError(OutputError):
    """The disk of the output is full or fails: no further input can be turned into output, and the run stops."""


class BuildError(NucleusNetError):
    """A dataset cannot be made from what was found."""


class DatasetNotFoundError(NucleusNetError, FileNotFoundError):
    """There is no NucleusNet dataset at the given source."""


class ManifestError(NucleusNetError):
    """A manifest.json is damaged, of an unknown format, or contradicts the files."""


class CorruptDataError(NucleusNetError):
    """A file or a cell of a dataset is damaged; names the file and the row."""


class SelectionError(NucleusNetError, ValueError):
    """An unknown split, config or column, or more rows than there are."""


class SourceChangedError(NucleusNetError):
    """A dataset changed while it was being read."""


class TransferError(NucleusNetError, OSError):
    """A remote read failed after all retries."""


class ArchiveError(NucleusNetError):
    """An archive cannot be made of what was found, or what is there is not a finished archive."""


class DepositError(NucleusNetError):
    """A repository refuses a deposit, or what it holds is not what was sent."""


class UploadError(NucleusNetError):
    """A dataset cannot be published there: no permission, no room, or files or changes of others in the way."""


class StateError(NucleusNetError, ValueError):
    """A saved loader state does not fit this loader."""
