"""Where a verb may write: nothing is replaced unasked, no input is written to, and parents are made."""

from pathlib import Path

import pytest

from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.terminal.outputs import output_file, output_folder, writing


def test_a_new_file_is_accepted_and_its_parents_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "Sheet.PNG"
    assert output_file(path, suffixes=(".png",), overwrite=False) == path
    assert path.parent.is_dir()
    assert not path.exists()


def test_another_suffix_is_refused_with_those_that_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--plot: a\.jpg does not end in \.png or \.svg; choose another name\.$"):
        output_file(tmp_path / "a.jpg", suffixes=(".png", ".svg"), overwrite=False, option="--plot")


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    with pytest.raises(UsageError, match=r"a\.png exists; pass --overwrite to replace it\.$"):
        output_file(path, suffixes=(".png",), overwrite=False)
    assert output_file(path, suffixes=(".png",), overwrite=True) == path


def test_a_folder_is_no_name_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="is a folder; give the name of a file"):
        output_file(tmp_path / "a.png", suffixes=(".png",), overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_written_to_by_whatever_name(tmp_path: Path, overwrite: bool) -> None:
    image = tmp_path / "image.png"
    image.touch()
    link = tmp_path / "link.png"
    link.symlink_to(image)
    for name in (image, link, tmp_path / "." / "image.png"):
        with pytest.raises(UsageError, match="is an input of this command"):
            output_file(name, suffixes=(".png",), overwrite=overwrite, inputs=[image])


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_into_a_dataset(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "nucleusnet" / "data").mkdir(parents=True)
    (tmp_path / "nucleusnet" / "manifest.json").touch()
    with pytest.raises(UsageError, match="lies inside the dataset"):
        output_file(tmp_path / "nucleusnet" / "data" / "a.png", suffixes=(".png",), overwrite=overwrite)
    with pytest.raises(UsageError, match="lies inside the dataset"):
        output_folder(tmp_path / "nucleusnet" / "other")


def test_a_folder_inside_what_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stitched").mkdir()
    with pytest.raises(UsageError, match=r"lies inside .*stitched, which is read; choose a place beside it"):
        output_folder(tmp_path / "stitched" / "nucleusnet", inputs=[tmp_path / "stitched"])
    with pytest.raises(UsageError, match="is an input of this command"):
        output_folder(tmp_path / "stitched", inputs=[tmp_path / "stitched"])
    assert output_folder(tmp_path / "a" / "b", inputs=[tmp_path / "stitched"]) == tmp_path / "a" / "b"
    assert (tmp_path / "a").is_dir()


def test_a_parent_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"the folder .*file.inner cannot be made \(.*\); choose another place\.$"):
        output_file(tmp_path / "file" / "inner" / "a.png", suffixes=(".png",), overwrite=False)


def test_what_the_system_refuses_while_writing_names_file_and_option(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.png"
    with (
        pytest.raises(OutputError, match=r"a\.png cannot be written \(No such file.*\); .*another --plot\.$"),
        writing(path, "--plot"),
    ):
        path.write_bytes(b"")
