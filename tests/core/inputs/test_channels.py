"""Which channels are taken, in which order: what the files say, what the user says, and where both disagree."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from nucleusnet_core.errors import InputImageError, UsageError
from nucleusnet_core.inputs.channel_files import joined_name
from nucleusnet_core.inputs.channels import ONE_PLANE, ChannelOptions, Channels, channels_of_planes, find_channels
from nucleusnet_core.inputs.find import find_inputs
from nucleusnet_core.inputs.pairs import FindOptions, FoundInputs
from nucleusnet_core.inputs.planes import StoredPlanes
from nucleusnet_core.inputs.read_channels import read_channel
from nucleusnet_core.inputs.read_pair import read_pair

NAMED, UNNAMED = StoredPlanes(3, ("DAPI", "GFP", "Alexa 647")), StoredPlanes(3)
OWN = ("dapi", "gfp", "alexa_647")


def options(names: str | None = None, only: str | None = None, mask: str | None = None) -> ChannelOptions:
    return ChannelOptions.of_text(names, only, mask)


@pytest.mark.parametrize(
    ("stored", "said", "expected"),
    [
        (NAMED, options(), Channels(OWN, OWN)),
        (NAMED, options(mask="GFP"), Channels(("gfp", "dapi", "alexa_647"), OWN)),
        (NAMED, options(only="Alexa 647"), Channels(("alexa_647",), OWN)),
        (NAMED, options("gfp,DAPI"), Channels(("gfp", "dapi"), OWN)),
        (NAMED, options("a,b,c"), Channels(("a", "b", "c"), ("a", "b", "c"), renamed=True)),
        (UNNAMED, options("a,b,c", mask="b"), Channels(("b", "a", "c"), ("a", "b", "c"), renamed=True)),
        (UNNAMED, options("a,b,c", only="c"), Channels(("c",), ("a", "b", "c"), renamed=True)),
        (StoredPlanes(1), options(), ONE_PLANE),
        (StoredPlanes(1, ("DAPI",)), options(), ONE_PLANE),
        (StoredPlanes(1), options("dna"), Channels(("dna",))),
        (StoredPlanes(1, ("DAPI",)), options(only="dapi"), Channels(("dapi",))),
    ],
)
def test_names_of_the_files_and_of_the_user_make_the_channels(
    stored: StoredPlanes, said: ChannelOptions, expected: Channels
) -> None:
    assert channels_of_planes(stored, said, "a.tif") == expected


@pytest.mark.parametrize(
    ("stored", "said", "message"),
    [
        (UNNAMED, options(), "a.tif has 3 planes without names; if they are channels, name them in their order with "),
        (UNNAMED, options(only="dapi"), "3 planes without names"),
        (UNNAMED, options("a,b"), "--channels names 2, and a.tif has 3 planes without names; name as many"),
        (NAMED, options("dapi,other"), "a.tif has the channels dapi, gfp, alexa_647; name channels that it has"),
        (NAMED, options(only="cy5"), "--channel: there is no channel cy5 in a.tif; it has dapi, gfp, alexa_647."),
        (NAMED, options(mask="cy5"), "--mask-channel: there is no channel cy5"),
        (StoredPlanes(3, ("a", "A", "b")), options(), "3 planes without names"),
        (StoredPlanes(1), options("a,b"), "a, b: a.tif has one plane; where each channel is a file of its own, "),
        (StoredPlanes(1, ("DAPI",)), options(only="gfp"), "gfp: a.tif has the channel dapi"),
        (StoredPlanes(1), options(only="dapi"), "dapi: a.tif has one plane"),
    ],
)
def test_what_the_user_says_must_fit_the_files(stored: StoredPlanes, said: ChannelOptions, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        channels_of_planes(stored, said, "a.tif")
    assert message in str(raised.value)


@pytest.mark.parametrize("said", [("a,a", None, None), ("a,", None, None), ("a,b", "a", "b"), (None, "", None)])
def test_names_that_no_column_can_have_are_refused(said: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(UsageError):
        options(*said)


def write_planes(path: Path, names: list[str], value: int = 0) -> None:
    stack = np.stack([np.full((30, 40), value + number, np.uint8) for number in range(len(names))])
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "CYX", "Channel": {"Name": names}})


def write_mask(path: Path) -> None:
    mask = np.zeros((30, 40), np.uint16)
    mask[5:15, 5:15] = 1
    tifffile.imwrite(path, mask)


def test_most_of_the_images_that_are_looked_at_decide(tmp_path: Path) -> None:
    for name, channels in {"a": ["gfp", "dapi"], "b": ["dapi", "gfp"], "c": ["dapi", "gfp"]}.items():
        write_planes(tmp_path / f"{name}.ome.tif", channels)
    (tmp_path / "d.tif").write_bytes(b"no image")
    images = [tmp_path / f"{name}.ome.tif" for name in "abc"]
    assert find_channels(images, options()) == Channels(("dapi", "gfp"), ("dapi", "gfp"))
    assert find_channels([tmp_path / "d.tif"], options()) == ONE_PLANE
    assert find_channels([], options()) == ONE_PLANE


def test_a_file_with_other_channels_or_another_order_is_refused(tmp_path: Path) -> None:
    channels = Channels(("gfp",), ("dapi", "gfp"))
    write_planes(tmp_path / "a.ome.tif", ["DAPI", "GFP"], 7)
    assert read_channel(tmp_path / "a.ome.tif", channels).pixels[0, 0] == 8
    write_planes(tmp_path / "b.ome.tif", ["GFP", "DAPI"])
    with pytest.raises(
        InputImageError, match=r"b.ome.tif has the channels gfp, dapi, and the other images have dapi, gf"
    ):
        read_channel(tmp_path / "b.ome.tif", channels)
    write_planes(tmp_path / "c.ome.tif", ["DAPI", "GFP", "Cy5"])
    with pytest.raises(InputImageError, match=r"c.ome.tif has 3 planes, and the other images have 2"):
        read_channel(tmp_path / "c.ome.tif", channels)
    tifffile.imwrite(tmp_path / "d.tif", np.zeros((30, 40), np.uint8))
    with pytest.raises(InputImageError, match=r"d.tif has 1 planes, and the other images have 2|d.tif has one plane"):
        read_channel(tmp_path / "d.tif", channels)
    renamed = Channels(("y",), ("x", "y"), renamed=True)
    assert read_channel(tmp_path / "b.ome.tif", renamed).pixels[0, 0] == 1


# Files of their own


PATTERN = r"(?P<run>\w+?)_(?P<channel>[A-Za-z]+)(?:_s\d)?"


def write_files(
    folder: Path, *names: str, shape: tuple[int, int] = (30, 40), pixels_per_cm: float | None = None
) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        resolution = {} if pixels_per_cm is None else {"resolution": (pixels_per_cm,) * 2, "resolutionunit": 3}
        tifffile.imwrite(folder / f"{name}.tif", np.full(shape, len(name), np.uint8), **resolution)


def found_in(folder: Path, said: ChannelOptions | None = None) -> FoundInputs:
    return find_inputs(folder, FindOptions(name_pattern=PATTERN, channels=said or options()))


def test_files_that_differ_in_the_channel_are_one_image(tmp_path: Path) -> None:
    write_files(tmp_path, "f1_dapi", "f1_actin", "f2_dapi", "f2_actin")
    for stem in ("f1", "f2"):
        write_mask(tmp_path / f"{stem}_dapi_cp_masks.tif")
    found = found_in(tmp_path)
    assert (found.channels, found.failures, found.columns) == (Channels(("dapi", "actin")), [], {})
    assert [(one.stem, one.run_name, one.image_path.name) for one in found.sources] == [
        ("f1", "f1", "f1_dapi.tif"),
        ("f2", "f2", "f2_dapi.tif"),
    ]
    assert [path.name for one in found.sources for path in one.further_paths] == ["f1_actin.tif", "f2_actin.tif"]
    one = found.sources[0]
    pair = read_pair(one.image_path, one.mask_path, channels=found.channels, further_paths=one.further_paths)
    assert [image.pixels[0, 0] for image in (pair.image, *pair.further)] == [len("f1_dapi"), len("f1_actin")]


def test_a_mask_called_after_the_image_does_not_tell_its_channel(tmp_path: Path) -> None:
    write_files(tmp_path, "f1_dapi_s1", "f1_actin_s1")
    write_mask(tmp_path / "f1_s1_cp_masks.tif")
    with pytest.raises(UsageError, match=r"nothing tells which of them the masks were made on; pass --mask-channel"):
        found_in(tmp_path)
    found = found_in(tmp_path, options(mask="DAPI"))
    assert (found.channels.names, [one.stem for one in found.sources]) == (("dapi", "actin"), ["f1_s1"])
    assert found_in(tmp_path, options("actin,dapi")).channels.names == ("actin", "dapi")
    alone = found_in(tmp_path, options(only="actin"))
    assert (alone.channels.names, alone.sources[0].further_paths) == (("actin",), ())
    assert alone.sources[0].image_path.name == "f1_actin_s1.tif"


def test_images_that_lack_a_channel_or_have_more_are_listed(tmp_path: Path) -> None:
    write_files(tmp_path, "f1_dapi", "f1_actin", "f2_dapi", "f3_dapi", "f3_actin", "f3_golgi", "f4_dapi", "f4_actin")
    for stem in ("f1", "f2", "f3", "f4"):
        write_mask(tmp_path / f"{stem}_dapi_cp_masks.tif")
    write_mask(tmp_path / "f9_golgi_cp_masks.tif")
    found = found_in(tmp_path)
    assert [one.stem for one in found.sources] == ["f1", "f4"]
    messages = {failure.name: failure.message for failure in found.failures}
    assert messages["f2"] == "f2 has no file of channel actin; add it."
    assert messages["f3"].endswith("pass --channels actin,dapi to take these of every image.")
    assert "has no image" in messages["f9_golgi"]
    some = found_in(tmp_path, options("dapi,actin"))
    assert [one.stem for one in some.sources] == ["f1", "f3", "f4"]
    with pytest.raises(UsageError, match=r"--channels: no image has a channel cy5; the channels are actin, dapi"):
        found_in(tmp_path, options("dapi,cy5"))


def test_channels_of_another_size_or_scale_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, "f1_dapi", pixels_per_cm=40_000)
    write_files(tmp_path, "f1_actin", shape=(30, 41))
    write_mask(tmp_path / "f1_dapi_cp_masks.tif")
    one, channels = found_in(tmp_path).sources[0], Channels(("dapi", "actin"))
    with pytest.raises(
        InputImageError, match=r"f1_actin.tif has 30 x 41 px, but f1_dapi.tif, the same image in another"
    ):
        read_pair(one.image_path, one.mask_path, channels=channels, further_paths=one.further_paths)
    write_files(tmp_path, "f1_actin", pixels_per_cm=50_000)
    with pytest.raises(
        InputImageError, match=r"f1_actin.tif states 5 px/µm, but f1_dapi.tif, another channel of the im"
    ):
        read_pair(one.image_path, one.mask_path, channels=channels, further_paths=one.further_paths)


@pytest.mark.parametrize(
    ("name", "channel", "expected"),
    [
        ("field01_dapi", "dapi", "field01"),
        ("dapi_field01", "dapi", "field01"),
        ("a_dapi_s1", "dapi", "a_s1"),
        ("a-dapi", "dapi", "a"),
        ("dapi/field01", "dapi", "field01"),
        ("day1/dapi/field01", "dapi", "day1/field01"),
        ("day1/dapi_field01", "dapi", "day1/field01"),
        ("day1/a_dapi", "dapi", "day1/a"),
        ("a_dapi/f1", "dapi", "a/f1"),
        ("AdapiB", "dapi", "AB"),
    ],
)
def test_a_name_without_its_channel_keeps_the_rest(name: str, channel: str, expected: str) -> None:
    start = name.index(channel)
    assert joined_name(name, (start, start + len(channel))) == expected
