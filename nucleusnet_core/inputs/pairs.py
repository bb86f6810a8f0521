"""Which stitched image goes with which mask, and what its name says."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import Failure, PairingError
from ..stitched_names import (
    FoundFiles,
    find_files,
    given_mask_suffixes,
    is_image,
    is_mask,
    is_text,
    mask_rule,
    say_several,
    shown_name,
)
from .channel_files import join_channels
from .channels import ALL_CHANNELS, ONE_PLANE, ChannelOptions, Channels
from .mask_choice import choose_mask
from .names import CHANNEL, POSITION, QUARTER, NameFacts, compile_name_pattern, read_names
from .sample_cells import Value
from .sample_columns import Description, check_splits, describe, read_sample_columns
from .scale import OPTION, SAMPLE_SHEET, Scale
from .unpaired import long_names, nothing_to_pair, unpaired


@dataclass(frozen=True)
class Source:
    """A stitched image with its mask.

    Attributes:
        stem: name of the image without its suffix, NFC; unique in a dataset.
        image_path: the image.
        mask_path: its label image.
        run: number of the run in the name, None where the name has none or it is not an integer.
        run_name: the run as text: the name's group `run`, or the stem where the name has none.
        quarter: as in the name, or None.
        position: as in the name, or None.
        columns: name and value of the dataset's own columns: other groups of the name pattern, then the columns of the
            sample sheet; None where nothing is stated. The same names for all sources of a folder, in the same order.
        group: what splits keep together: the run's name, or the value of another column as text.
        split: the split that the sample sheet gives, None where it does not.
        pixels_per_um: the scale that the sample sheet or else the option gives, None where neither does.
        scale_option: where that was given, "sample sheet" or "--pixels-per-um"; empty where it was not.
        further_paths: files of the further channels, in their order; none where they lie in the image.
    """

    stem: str
    image_path: Path
    mask_path: Path
    run: int | None
    run_name: str
    quarter: str | None
    position: str | None
    columns: tuple[tuple[str, Value], ...] = ()
    group: str = ""
    split: str | None = None
    pixels_per_um: float | None = None
    scale_option: str = ""
    further_paths: tuple[Path, ...] = ()

    @property
    def given_scale(self) -> Scale | None:
        """The scale that the sample sheet or else the option gives, None where neither does."""
        return None if self.pixels_per_um is None else Scale(self.pixels_per_um, self.scale_option)


@dataclass(frozen=True)
class FindOptions:
    """Where images and masks are looked for, and what their names and the sample sheet say.

    Attributes:
        masks: folder of the masks, None for that of the images.
        mask_suffixes: further endings of mask names, such as "_nuclei.tif"; before the usual ones.
        name_pattern: regular expression that matches the whole stem; None for the published names.
        recursive: walk subfolders too.
        samples: the sample sheet, None for none.
        samples_missing_null: images without a row of the sample sheet get nulls instead of an error.
        group_by: the column whose values splits keep together.
        pixels_per_um: the scale of all images for which the sample sheet gives none.
        prefer: of a `_seg.npy` that is newer than another mask of its image and differs: "seg-npy", "image", or "" to
            refuse the image.
        allow_pickle: `_seg.npy` files may be read.
        channels: which channels are taken, and what they are called.
    """

    masks: Path | None = None
    mask_suffixes: tuple[str, ...] = ()
    name_pattern: str | None = None
    recursive: bool = False
    samples: Path | None = None
    samples_missing_null: bool = False
    group_by: str = "run_name"
    pixels_per_um: float | None = None
    prefer: str = ""
    allow_pickle: bool = False
    channels: ChannelOptions = ALL_CHANNELS


USUAL = FindOptions()
"""Masks beside their images, with the usual names."""


@dataclass(frozen=True)
class FoundInputs:
    """What was found in the folders.

    Attributes:
        sources: images with their masks, sorted by stem.
        failures: what cannot be used, and why, sorted by name.
        columns: name and type ("int64", "float64", "bool" or "string") of the dataset's own columns, in order.
        group_by: the column whose values splits keep together.
        unmatched: stems that the name pattern does not match, sorted.
        mask_rules: number of masks by the rule that found them, such as "<name>_cp_masks.png".
        channels: that are files of their own; planes of files are found by `find_inputs`.
    """

    sources: list[Source]
    failures: list[Failure]
    columns: dict[str, str] = field(default_factory=dict)
    group_by: str = "run_name"
    unmatched: list[str] = field(default_factory=list)
    mask_rules: dict[str, int] = field(default_factory=dict)
    channels: Channels = ONE_PLANE


def find_sources(folder: Path, options: FindOptions = USUAL) -> FoundInputs:
    """Pair the stitched images of a folder with their masks, by names alone: no image or mask is opened.

    An image is <stem>.tif (.tiff, .ome.tif, .ome.tiff) or <stem>.png, its mask <stem>_cp_masks.png (_masks, _mask,
    _labels, _label, also .tif), <stem>_seg.npy, or in a folder of masks also the name of the image. In subfolders the
    stem is the path below the folder with __ between its parts, and the mask lies in the subfolder of the same name.

    Where a value of the column that splits keep together is null, the group of the image is its run_name.

    Args:
        folder: holds the images; walked one level unless `recursive`.
        options: where masks are, and what names and sample sheet say.

    Raises:
        UsageError: a folder does not exist; the pattern, the sample sheet or the column to group by cannot be used.
        PairingError: a folder holds no images, or no masks.
    """
    pattern = None if options.name_pattern is None else compile_name_pattern(options.name_pattern)
    files = find_files(folder, masks=options.masks, recursive=options.recursive, mask_suffixes=options.mask_suffixes)
    if not files.images or not files.masks:
        raise PairingError(nothing_to_pair(files, folder, options.masks))
    further: Mapping[str, tuple[Path, ...]] = {}
    channels = ONE_PLANE
    unlike: list[Failure] = []
    if pattern is not None and CHANNEL in pattern.groupindex:
        joined = join_channels(files, folder, pattern, options.channels)
        files, further, channels, unlike = joined.files, joined.further, joined.channels, joined.failures
    pairs, failures = _pair(files, folder, options)
    failures += unlike
    failures += unreadable_names(files.files, folder)
    if files.mask_files is not files.files:
        failures += unreadable_names(files.mask_files, options.masks)
    names = read_names({stem: files.images[stem][0] for stem in sorted(files.images)}, folder, pattern)
    missing_null = options.samples_missing_null
    samples = read_sample_columns(names, pairs, options.samples, missing_null=missing_null, group_by=options.group_by)
    sources = [
        replace(
            _source(files.images[stem][0], mask, names.facts[stem], describe(stem, names, samples), options),
            further_paths=further.get(stem, ()),
        )
        for stem, mask in pairs.items()
    ]
    groups = {source.stem: source.group for source in sources}
    check_splits(options.samples, groups, {source.stem: source.split for source in sources})
    rules = Counter(mask_rule(source.mask_path.name, files.suffixes) for source in sources)
    return FoundInputs(
        sources,
        sorted(failures, key=lambda failure: failure.name),
        samples.columns,
        samples.group_by,
        [source.stem for source in sources if not names.facts[source.stem].matched],
        dict(sorted(rules.items(), key=lambda rule: (-rule[1], rule[0]))),
        channels,
    )


def _pair(files: FoundFiles, folder: Path, options: FindOptions) -> tuple[dict[str, Path], list[Failure]]:
    """Return the mask of each image that can be used, sorted by stem, and why the others cannot."""
    given = given_mask_suffixes(options.mask_suffixes)
    refused = {failure.name: failure for failure in case_clashes(files.images)}
    refused |= {failure.name: failure for failure in duplicates(files.images, "images")}
    refused |= {failure.name: failure for failure in unpaired(files, folder, options.masks)}
    refused |= {failure.name: failure for failure in long_names(files.images)}
    pairs: dict[str, Path] = {}
    for stem in sorted(files.images.keys() - refused.keys()):
        try:
            pairs[stem] = choose_mask(
                stem,
                files.masks[stem],
                suffixes=files.suffixes,
                given=given,
                prefer=options.prefer,
                allow_pickle=options.allow_pickle,
            )
        except PairingError as error:
            refused[stem] = Failure(stem, str(error))
    return pairs, list(refused.values())


def _source(image_path: Path, mask_path: Path, facts: NameFacts, said: Description, options: FindOptions) -> Source:
    """Return a pair with what its name and the sample sheet say."""
    own = said.pixels_per_um is not None
    scale = said.pixels_per_um if own else options.pixels_per_um
    return Source(
        facts.stem,
        image_path,
        mask_path,
        facts.run,
        facts.run_name,
        facts.groups.get(QUARTER),
        facts.groups.get(POSITION),
        columns=said.columns,
        group=said.group,
        split=said.split,
        pixels_per_um=scale,
        scale_option="" if scale is None else SAMPLE_SHEET if own else OPTION,
    )


def duplicates(groups: dict[str, list[Path]], kind: str) -> list[Failure]:
    """Return a failure for each stem that several files share.

    Args:
        groups: files by stem.
        kind: of the files, in the plural.
    """
    return [Failure(stem, say_several(kind, stem, paths)) for stem, paths in groups.items() if len(paths) > 1]


def case_clashes(images: dict[str, list[Path]]) -> list[Failure]:
    """Return a failure for each stem that differs from another only by case: some systems make one file of two."""
    same: dict[str, list[str]] = defaultdict(list)
    for stem in sorted(images):
        same[stem.casefold()].append(stem)
    return [
        Failure(
            stem,
            f"the name of {images[stem][0]} differs from {', '.join(other for other in stems if other != stem)} "
            "only by upper and lower case, which Windows and macOS do not tell apart; rename all but one.",
        )
        for stems in same.values()
        if len(stems) > 1
        for stem in stems
    ]


def unreadable_names(paths: Iterable[Path], folder: Path | None = None) -> list[Failure]:
    """Return a failure for each image and mask whose name is not Unicode text.

    Args:
        paths: of files.
        folder: names are paths below it; None for names without folders.
    """
    names = {shown_name(path, folder) for path in paths if is_image(path.name) or is_mask(path.name)}
    return [
        Failure(shown, f"the file name {shown} is not text in UTF-8; rename the file.")
        for name in names
        if not is_text(name)
        for shown in [name.encode("utf-8", "backslashreplace").decode()]
    ]
