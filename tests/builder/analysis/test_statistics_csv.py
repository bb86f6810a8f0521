"""The published table: what is read, what is refused with its line, and what is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.analysis.statistics import ImageStatistics
from builder.analysis.statistics_csv import (
    StatisticsTableError,
    parse_statistics_csv,
    read_statistics_csv,
    statistics_csv,
    write_statistics_csv,
)
from nucleusnet_core.errors import OutputError

HEADER = "image,num_rois,mean_intensity,std_intensity\n"


def refusal(text: str) -> str:
    with pytest.raises(StatisticsTableError) as error:
        parse_statistics_csv(text, "table.csv")
    return str(error.value)


def test_the_columns_may_stand_anywhere_among_others() -> None:
    text = "run, std_intensity,image,mean_intensity,num_rois\r\n1,2.5,Run01TL_top_left,79.0412,694\r\n\r\n"
    assert parse_statistics_csv(text, "t") == [ImageStatistics("Run01TL_top_left", 694, 79.0412, 2.5)]


def test_names_with_commas_quotes_and_line_breaks_keep_them_and_line_numbers_stay_right() -> None:
    text = HEADER + '"a, ""b""\nc",1,2,3\nd,x,2,3\n'
    assert refusal(text).splitlines()[1] == "  line 4: num_rois is 'x', which is not a number."
    assert parse_statistics_csv(HEADER + '"a, ""b""",1,2,3\n', "t")[0].image == 'a, "b"'


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert parse_statistics_csv(HEADER + "a,694.0000,7.9e1,0\n", "t") == [ImageStatistics("a", 694, 79.0, 0.0)]


@pytest.mark.parametrize("intensities", [",", "nan,NaN", "0,0", "0.0000,"])
def test_an_image_without_rois_has_no_intensities(intensities: str) -> None:
    if intensities.endswith(",") and intensities != ",":
        assert "std_intensity is '', which is not a number" in refusal(HEADER + f"a,0,{intensities}\n")
    else:
        assert parse_statistics_csv(HEADER + f"a,0,{intensities}\n", "t") == [ImageStatistics("a", 0, None, None)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("b,1,nan,3", "line 3: mean_intensity is 'nan', which is not a number."),
        ("b,1,2,inf", "line 3: std_intensity is 'inf', which is not a number."),
        ("b,many,2,3", "line 3: num_rois is 'many', which is not a number."),
        ("b,1_0,2,3", "line 3: num_rois is '1_0', which is not a number."),
        ("b,,2,3", "line 3: num_rois is '', which is not a number."),
        ("b,1.5,2,3", "line 3: num_rois is '1.5', which is not a whole number."),
        ("b,-1,2,3", "line 3: num_rois is '-1'; it must be between 0 and 1,000,000,000."),
        ("b,1,1e99,3", "line 3: mean_intensity is '1e99'; it must be between 0 and 1,000,000,000."),
        ("b,1,2", "line 3: there are 3 fields; at least 4 are needed."),
        (",1,2,3", "line 3: the name of the image is missing."),
        ("a,1,2,3", "line 3: 'a' is in line 2 too; keep one line for each image."),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, said: str) -> None:
    message = refusal(HEADER + "a,1,2,3\n" + line + "\n")
    assert message == f"table.csv: 1 line cannot be used; correct or remove it:\n  {said}"


def test_all_bad_lines_are_counted_and_the_first_ten_shown() -> None:
    message = refusal(HEADER + "a,x,2,3\n" * 12)
    assert message.splitlines()[0] == "table.csv: 12 lines cannot be used; correct or remove them:"
    assert message.splitlines()[10:] == ["  line 11: num_rois is 'x', which is not a number.", "  and 2 more"]


def test_a_name_in_two_normal_forms_is_one_name() -> None:
    assert "is in line 2 too" in refusal(HEADER + "Zür,1,2,3\nZu\u0308r,1,2,3\n")


def test_missing_columns_are_named_beside_those_that_are_there() -> None:
    assert refusal("image,rois,mean_intensity\na,1,2\n") == (
        "table.csv, line 1, has the columns image, rois, mean_intensity (missing: num_rois, std_intensity); name each "
        "of image, num_rois, mean_intensity, std_intensity once in the first line."
    )
    assert "(missing: " in refusal("")
    assert "names no columns" in refusal("")
    assert "(there twice: image)" in refusal("image," + HEADER)


def test_a_header_alone_is_refused() -> None:
    assert "has a header but no images" in refusal(HEADER)


def test_damaged_quotes_are_refused_with_their_line() -> None:
    assert refusal(HEADER + 'a,1,2,3\n"b"c,1,2,3\n').startswith("table.csv, line 3, cannot be split into fields at ','")


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StatisticsTableError, match="cannot be read"):
        read_statistics_csv(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"Z\xfcrich,1,2,3\n")
    with pytest.raises(StatisticsTableError, match=r"not a text in UTF-8 \(see byte 45\)"):
        read_statistics_csv(tmp_path / "latin.csv")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "Kerne Zürich.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"a,1,2,3\n")
    assert read_statistics_csv(path) == [ImageStatistics("a", 1, 2.0, 3.0)]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("number", ["79,25", "79.25", "7,925e1"])
def test_other_separators_go_with_decimal_commas_and_points(separator: str, number: str) -> None:
    text = f"\n{HEADER}a,694,{number.replace(',', ' ')},3\n".replace(",", separator).replace(" ", ",")
    assert parse_statistics_csv(text, "t") == [ImageStatistics("a", 694, 79.25, 3.0)]


@pytest.mark.parametrize("row", ["a;1;1.234,5;3", "a;1,5;2;3", "a;1;2,3,4;3"])
def test_numbers_that_could_mean_two_things_are_refused(row: str) -> None:
    assert "line 2" in refusal(HEADER.replace(",", ";") + row)


def test_the_published_form_is_sorted_with_four_decimals(tmp_path: Path) -> None:
    measured = [ImageStatistics("b", 2, 79.00005, 1 / 3), ImageStatistics("a", 0, None, None)]
    path = tmp_path / "out ü.csv"
    write_statistics_csv(path, measured)
    assert path.read_bytes() == (HEADER + "a,0,,\nb,2,79.0001,0.3333\n").encode()
    with pytest.raises(OutputError, match="choose another --csv"):
        write_statistics_csv(tmp_path / "no folder" / "out.csv", measured)


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc"])
NAMES = st.text(CHARACTERS, min_size=1).map(lambda text: text.strip()).filter(bool)


@given(
    st.lists(
        st.builds(
            ImageStatistics,
            NAMES,
            st.integers(1, 10**6),
            st.integers(0, 65535 * 10**4).map(lambda value: value / 10**4),
            st.integers(0, 65535 * 10**4).map(lambda value: value / 10**4),
        ),
        min_size=1,
        unique_by=lambda one: one.image,
    )
)
def test_what_is_written_reads_back(measured: list[ImageStatistics]) -> None:
    import unicodedata

    measured = [one for one in measured if unicodedata.is_normalized("NFC", one.image)]
    if measured:
        again = parse_statistics_csv(statistics_csv(measured), "t")
        assert again == sorted(measured, key=lambda one: one.image)
