"""Statistics of all stitched images of a source: measured from images and masks, or read from a dataset or a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.contract import BARE_NAME, MANIFEST_NAME, STITCHED
from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import BuildError, CorruptDataError, DatasetNotFoundError, Failure, UsageError
from nucleusnet_core.inputs.channels import find_one_channel
from nucleusnet_core.inputs.pairs import USUAL, FindOptions, find_sources
from nucleusnet_core.location import home_expanded
from nucleusnet_core.shards.tables import read_columns
from nucleusnet_core.stitched_names import is_image, is_mask, list_files
from nucleusnet_core.terminal.progress import Progress

from ..workers.engine import Workers, local_workers, run_tasks
from ..workers.failure import collect
from ..workers.watch import seconds_for
from .groups import ImageGroup, read_groups
from .statistics import ImageStatistics
from .statistics_csv import read_statistics_csv


@dataclass(frozen=True)
class FolderOptions:
    """How a folder of stitched images is measured; nothing of it matters to a dataset or a table.

    Attributes:
        find: where images and masks are looked for.
        workers: number of worker processes; the numbers are the same.
    """

    find: FindOptions = USUAL
    workers: int = 1


@dataclass(frozen=True)
class Measured:
    """What is known of the stitched images of a source.

    Attributes:
        images: sorted by name.
        failures: the images that cannot be used.
        groups: those of the images of a dataset by the values of a column, where one was given.
    """

    images: tuple[ImageStatistics, ...]
    failures: tuple[Failure, ...] = ()
    groups: tuple[ImageGroup, ...] = ()


def input_files(source: str, options: FolderOptions) -> list[Path]:
    """Return the files of this machine that `source_statistics` reads, or would if they fitted each other.

    Raises:
        UsageError: the folder of the masks does not exist.
    """
    if not is_image_folder(source):
        path = home_expanded(source)
        return [path] if path.is_file() else []
    folders = {home_expanded(source), options.find.masks or home_expanded(source)}
    files = [path for folder in folders for path in list_files(folder, recursive=options.find.recursive)]
    return [path for path in files if is_image(path.name) or is_mask(path.name)]


def is_image_folder(source: str) -> bool:
    """Return whether a source is a folder of this machine without a dataset, and so one of stitched images."""
    path = home_expanded(source)
    return path.is_dir() and source != BARE_NAME and not (path / MANIFEST_NAME).is_file()


def is_table(source: str) -> bool:
    """Return whether a source is a file of this machine, and so a CSV."""
    return home_expanded(source).is_file() or (source.lower().endswith(".csv") and "://" not in source)


def source_statistics(source: str, options: FolderOptions, progress: Progress, by: str | None = None) -> Measured:
    """Return the statistics of every stitched image of a source.

    Args:
        source: a folder of stitched images and masks; a CSV in the published form; or a dataset's folder, URL or
            owner/name on the Hub, of which config `stitched` is read and no pixel.
        options: for a folder of images.
        progress: told of images measured.
        by: column of a dataset whose values are the groups of its images, None for no groups.

    Raises:
        UsageError: options for a folder of images, and another source; or groups by a column that is not there.
        StatisticsTableError: the CSV cannot be used.
        PairingError: the folder holds neither a dataset nor images with masks.
        BuildError: no image can be used; lists why.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    if by is not None:
        refuse_groups(source)
    if is_image_folder(source):
        return measure_folder(home_expanded(source), options, progress)
    if options.find != USUAL:
        raise UsageError(
            "--masks, --mask-suffix, --recursive, --allow-pickle, --prefer, --channels and --channel are for a folder "
            f"of stitched images, which {source} is not; leave them out."
        )
    if is_table(source):
        return Measured(tuple(sorted(read_statistics_csv(home_expanded(source)), key=lambda one: one.image)))
    try:
        opened = open_dataset(source)
    except DatasetNotFoundError as error:
        raise DatasetNotFoundError(f"{error} A folder of stitched images and masks, or a CSV, will do too.") from error
    groups = read_groups(opened, by) if by is not None else []
    return Measured(tuple(dataset_statistics(opened)), groups=tuple(groups))


def refuse_groups(source: str) -> None:
    """Refuse a source whose images have no columns to group them by.

    Raises:
        UsageError: it is a folder of images or a CSV.
    """
    if is_image_folder(source) or is_table(source):
        kind = "a CSV" if is_table(source) else "a folder of images"
        raise UsageError(
            f"--by is for a dataset, which keeps columns such as those of a sample sheet, and {source} is {kind}; make "
            "a dataset with `nucleusnet build STITCHED --samples SHEET` and give that, or leave --by out."
        )


def measure_folder(folder: Path, options: FolderOptions, progress: Progress) -> Measured:
    """Measure every stitched image of a folder, in worker processes.

    Raises:
        PairingError: the folder holds neither images nor masks.
        BuildError: no image can be used; lists why.
    """
    from .image_statistics import MeasureTask, measure_file  # noqa: PLC0415 - needs no codecs for a dataset or a table

    found = find_sources(folder, options.find)
    sources, failures = found.sources, [*found.failures]
    channels = find_one_channel([source.image_path for source in sources], options.find.channels)
    tasks = [MeasureTask(source, options.find.allow_pickle, channels) for source in sources]
    workers: Workers = local_workers(max(1, min(options.workers, len(tasks))))
    progress.begin("images", len(tasks))
    images, failed = collect(
        run_tasks(
            measure_file,
            tasks,
            make_executor=workers.make_executor,
            workers=workers.count,
            seconds=lambda task: seconds_for(task.source.image_path, task.source.mask_path),
        ),
        name=lambda task: task.source.stem,
        nuclei=lambda one: one.num_rois,
        progress=progress,
    )
    failures = sorted([*failures, *failed], key=lambda failure: failure.name)
    refuse_nothing(folder, images, failures)
    return Measured(tuple(sorted(images, key=lambda one: one.image)), tuple(failures))


def refuse_nothing(folder: Path, images: Sequence[ImageStatistics], failures: Sequence[Failure]) -> None:
    """Refuse a folder of which no image can be used.

    Raises:
        BuildError: lists why.
    """
    if not images:
        lines = [f"  {failure.name}: {failure.message}" for failure in failures]
        raise BuildError("\n".join([f"{folder}: none of the images can be used:", *lines]))


def dataset_statistics(opened: OpenDataset) -> list[ImageStatistics]:
    """Return what config `stitched` of all splits says, sorted by name.

    Raises:
        CorruptDataError: an image is there twice, or has numbers that cannot be.
        NucleusNetError: the dataset cannot be read.
    """
    columns = ["name", "num_rois", "mean_intensity", "std_intensity"]
    rows = read_columns(opened, STITCHED, columns).to_pylist()
    images = sorted((ImageStatistics(*(row[column] for column in columns)) for row in rows), key=lambda one: one.image)
    for before, one in zip([None, *images], images, strict=False):
        twice = before is not None and before.image == one.image
        values = (one.num_rois, one.mean_intensity or 0, one.std_intensity or 0)
        if twice or not all(math.isfinite(value) and value >= 0 for value in values):
            fault = "is there twice" if twice else f"has impossible numbers ({', '.join(map(str, values))})"
            raise CorruptDataError(
                f"{opened.store.name}, table of the stitched images: {one.image} {fault}; run `nucleusnet verify`."
            )
    return images
