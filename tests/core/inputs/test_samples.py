"""A sample sheet: what its cells mean, which image a row is for, and what is refused."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleusnet_core.contract import NUCLEUS_COLUMNS, STITCHED_COLUMNS
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.samples import SampleRow, SampleSheet, match_samples, read_samples

PLATE = """\
well,compound,dose_uM,replicate,passage
B02,DMSO,0,1,7
B03,nocodazole,0.1,1,7
C02,DMSO,0,2,8
C03,nocodazole,1.0,2,8
"""


def sheet_of(
    folder: Path, text: str | bytes, groups: Sequence[str] = ("well",), name: str = "samples.csv"
) -> SampleSheet:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_samples(path, groups)


def parquet_of(folder: Path, columns: dict[str, Any], groups: Sequence[str] = ("well",)) -> SampleSheet:
    pq.write_table(pa.table(columns), folder / "samples.parquet")
    return read_samples(folder / "samples.parquet", groups)


def values(sheet: SampleSheet) -> list[tuple[Any, ...]]:
    return [row.values for row in sheet.rows.values()]


def column(folder: Path, *cells: str) -> tuple[str, list[Any]]:
    """Kind and values of one column of a sheet of quoted cells."""
    lines = [f'w{k},"{cell}"\n' for k, cell in enumerate(cells)]
    sheet = sheet_of(folder, "well,x\n" + "".join(lines))
    return sheet.columns["x"], [value for (value,) in values(sheet)]


def message(folder: Path, text: str | bytes, groups: Sequence[str] = ("well",), name: str = "samples.csv") -> str:
    """What is said about a sheet that is refused, without the folder."""
    with pytest.raises(UsageError) as caught:
        sheet_of(folder, text, groups, name)
    return str(caught.value).replace(f"{folder}/", "")


def parquet_message(folder: Path, columns: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        parquet_of(folder, columns)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_plate_with_its_conditions(tmp_path: Path) -> None:
    assert sheet_of(tmp_path, PLATE, ("well", "site")) == SampleSheet(
        path=tmp_path / "samples.csv",
        keys=("well",),
        columns={"compound": "string", "dose_uM": "float64", "replicate": "int64", "passage": "int64"},
        rows={
            ("B02",): SampleRow(("DMSO", 0.0, 1, 7), None, None, 2),
            ("B03",): SampleRow(("nocodazole", 0.1, 1, 7), None, None, 3),
            ("C02",): SampleRow(("DMSO", 0.0, 2, 8), None, None, 4),
            ("C03",): SampleRow(("nocodazole", 1.0, 2, 8), None, None, 5),
        },
    )
    dose = sheet_of(tmp_path, PLATE).rows["B02",].values[1]
    assert isinstance(dose, float)


def test_every_image_of_a_well_gets_its_row(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, PLATE, ("well", "site"))
    images: dict[str, dict[str, str | None]] = {
        f"{well}_s{site}": {
            "stitched_image": f"{well}_s{site}",
            "run_name": f"{well}_s{site}",
            "well": well,
            "site": site,
        }
        for well in ("B02", "B03", "C02", "D07")
        for site in "12"
    }
    matched, unmatched, unused = match_samples(sheet, images)
    assert {stem: row.line for stem, row in matched.items()} == {
        "B02_s1": 2,
        "B02_s2": 2,
        "B03_s1": 3,
        "B03_s2": 3,
        "C02_s1": 4,
        "C02_s2": 4,
    }
    assert matched["B03_s2"].values == ("nocodazole", 0.1, 1, 7)
    assert unmatched == ["D07_s1", "D07_s2"]
    assert unused == [5]


def test_several_keys_must_all_match_and_an_optional_group_matches_nothing(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "site,dose,well\n1,5,B02\n2,6,B02\n", ("well", "site"))
    assert sheet.keys == ("site", "well")
    assert list(sheet.rows) == [("1", "B02"), ("2", "B02")]
    images: dict[str, dict[str, str | None]] = {
        "a": {"well": "B02", "site": "2"},
        "b": {"well": "B02", "site": None},
        "c": {"well": "B02"},
    }
    matched, unmatched, unused = match_samples(sheet, images)
    assert {stem: row.values for stem, row in matched.items()} == {"a": (6,)}
    assert unmatched == ["b", "c"]
    assert unused == [2]


@pytest.mark.parametrize("key", ["stitched_image", "run_name"])
def test_images_and_runs_are_keys_whatever_the_pattern(key: str, tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, f"{key},dose\nfield 1,2\n", ())
    assert (sheet.keys, sheet.columns) == ((key,), {"dose": "int64"})
    matched, unmatched, unused = match_samples(sheet, {"x": {key: "field 1"}})
    assert (list(matched), unmatched, unused) == (["x"], [], [])


@pytest.mark.parametrize("key", ["run", "run_name"])
def test_a_run_is_matched_by_its_number(key: str, tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, f"{key},dose\n02,1\n7,2\nB03,3\n000,4\n", ("run", "quarter", "position"))
    assert list(sheet.rows) == [("2",), ("7",), ("B03",), ("0",)]
    images: dict[str, dict[str, str | None]] = {
        "a": {key: "2"},
        "b": {key: "007"},
        "c": {key: "B3"},
        "d": {key: "0"},
    }
    matched, unmatched, unused = match_samples(sheet, images)
    assert {stem: row.values for stem, row in matched.items()} == {"a": (1,), "b": (2,), "d": (4,)}
    assert (unmatched, unused) == (["c"], [4])


def test_two_ways_to_write_the_number_of_a_run_are_one_key(tmp_path: Path) -> None:
    assert message(tmp_path, "run,dose\n07,1\n7,2\n", ("run",)) == (
        "Lines 2 and 3 of samples.csv are both for run '7'; leave one of them."
    )


def test_other_keys_are_matched_by_their_text(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "well,dose\n02,1\n2,2\n")
    assert list(sheet.rows) == [("02",), ("2",)]
    matched, unmatched, unused = match_samples(sheet, {"a": {"well": "2"}, "b": {"well": "002"}})
    assert {stem: row.values for stem, row in matched.items()} == {"a": (2,)}
    assert (unmatched, unused) == (["b"], [2])


def test_accents_match_however_they_are_written(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "well,x\nme\u0301dia,ame\u0301\n")
    assert sheet.rows == {("m\u00e9dia",): SampleRow(("am\u00e9",), None, None, 2)}


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (("1", "-2", "+3", ""), "int64", [1, -2, 3, None]),
        (("1", "0.5"), "float64", [1.0, 0.5]),
        ((".5", "1.", "2e-3", "-1E2"), "float64", [0.5, 1.0, 0.002, -100.0]),
        (("true", "FALSE", " True ", " "), "bool", [True, False, True, None]),
        (("true", "1"), "string", ["true", "1"]),
        (("007", "12"), "string", ["007", "12"]),
        (("0", "-0"), "int64", [0, 0]),
        (("00.5",), "string", ["00.5"]),
        (("1", "low"), "string", ["1", "low"]),
        (("", ""), "string", [None, None]),
        (("nan", "inf", "1e999", "1_000", "0x1F"), "string", ["nan", "inf", "1e999", "1_000", "0x1F"]),
        (("9223372036854775807", "-9223372036854775808"), "int64", [2**63 - 1, -(2**63)]),
        (("9223372036854775808",), "string", ["9223372036854775808"]),
        (("12345678901234567890123", "1"), "string", ["12345678901234567890123", "1"]),
        (("\u0663",), "string", ["\u0663"]),
        (("2026-03-01",), "string", ["2026-03-01"]),
        (("B02, B03", 'say ""yes""'), "string", ["B02, B03", 'say "yes"']),
        (("two\nlines",), "string", ["two\nlines"]),
    ],
)
def test_the_kind_of_a_column(cells: tuple[str, ...], kind: str, expected: list[Any], tmp_path: Path) -> None:
    found_kind, found = column(tmp_path, *cells)
    assert found_kind == kind
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_scale_and_split_are_no_columns(tmp_path: Path) -> None:
    text = "split,well,pixels_per_um,dose\ntrain,B02,3.1,1\ntest,B03,2,\n,C02,,3\n"
    sheet = sheet_of(tmp_path, text)
    assert sheet.columns == {"dose": "int64"}
    assert list(sheet.rows.values()) == [
        SampleRow((1,), "train", 3.1, 2),
        SampleRow((None,), "test", 2.0, 3),
        SampleRow((3,), None, None, 4),
    ]


def test_a_sheet_of_keys_and_splits_alone(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "well,split\nB02,test\n")
    assert sheet.columns == {}
    assert sheet.rows == {("B02",): SampleRow((), "test", None, 2)}


GERMAN = "well;dose;pixels_per_um;note\r\nB02;0,5;3,25;a,b\r\nB03;2;;c\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_semicolons_decimal_commas_and_byte_order_marks_of_excel(encoding: str, tmp_path: Path) -> None:
    text = ("\ufeff" if encoding == "utf-16-le" else "") + GERMAN
    sheet = sheet_of(tmp_path, text.encode(encoding))
    assert sheet.columns == {"dose": "float64", "note": "string"}
    assert list(sheet.rows.values()) == [
        SampleRow((0.5, "a,b"), None, 3.25, 2),
        SampleRow((2.0, "c"), None, None, 3),
    ]


@pytest.mark.parametrize("name", ["samples.csv", "samples.tsv", "SAMPLES.TSV"])
def test_tabs(name: str, tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "well\tdose; in, uM\nB02\t1\n".replace("; in, ", "_"), name=name)
    assert (sheet.columns, values(sheet)) == ({"dose_uM": "int64"}, [(1,)])


def test_the_delimiter_is_the_one_that_shows_a_key(tmp_path: Path) -> None:
    assert "rename 'a, b, c' to a_b_c" in message(tmp_path, "well;a, b, c\nB02;1\n")
    assert values(sheet_of(tmp_path, '"well";"a"\n"B02";"x;y"\n')) == [("x;y",)]


def test_a_text_column_keeps_its_decimal_commas(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "well;dose\nB02;0,5\nB03;none\n")
    assert (sheet.columns, values(sheet)) == ({"dose": "string"}, [("0,5",), ("none",)])


def test_blank_lines_and_missing_cells_are_no_harm_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = '\n , \nwell,note,dose\r\nB02,"two\nlines",1\r\n,,\r\nB03\r\nB04,x,3\r\n\r\n'
    assert list(sheet_of(tmp_path, text).rows.items()) == [
        (("B02",), SampleRow(("two\nlines", 1), None, None, 4)),
        (("B03",), SampleRow((None, None), None, None, 7)),
        (("B04",), SampleRow(("x", 3), None, None, 8)),
    ]


def test_lines_may_end_as_on_an_old_macintosh(tmp_path: Path) -> None:
    assert list(sheet_of(tmp_path, "well,x\rB02,1\rB03,2\r").rows.values()) == [
        SampleRow((1,), None, None, 2),
        SampleRow((2,), None, None, 3),
    ]


def test_white_space_around_names_and_cells_is_left_out(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, ' well , "dose"\n B02\u00a0, 1 \n')
    assert (sheet.columns, sheet.rows) == ({"dose": "int64"}, {("B02",): SampleRow((1,), None, None, 2)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "samples.csv is empty; it needs a line with names of columns, and one for each image or run."),
        ("\ufeff\n\n", "samples.csv is empty; it needs a line with names of columns, and one for each image or run."),
        ("well,x\n", "samples.csv has names of columns and no rows; it needs a row for each image or run."),
        ("well,,x\nB02,1,2\n", "Column 2 of samples.csv has no name; give it one, or remove the column."),
        ("well,x,y,x\nB02,1,2,3\n", "Columns 2 and 4 of samples.csv are both called 'x'; rename one of them."),
        (
            "Well,dose\nB02,1\n",
            "samples.csv has no column that says which images a row is for, among 'Well', 'dose'; it needs a column "
            "named stitched_image or run_name or well, or as a group of --name-pattern.",
        ),
        (
            "well,x\nB02,1\nB03,1\n\nB02,2\n",
            "Lines 2 and 5 of samples.csv are both for well 'B02'; leave one of them.",
        ),
        (
            "well,x\nB02,1\n,2\n",
            "Line 3 of samples.csv has nothing in column well, which says which images the row is for; fill it in.",
        ),
        (
            "well,x\nB02,1\nB03,0,5\n",
            "Line 3 of samples.csv has 3 cells and the header has 2; put a cell that holds a comma between double "
            'quotes ("), or remove the cells too many.',
        ),
        (
            'well,"x" \nB02,1\n',
            "Line 1 of samples.csv cannot be split into cells (',' expected after '\"'); close each quote that is "
            'opened, write a quote inside a quoted cell twice (""), and keep cells below 10,000 characters.',
        ),
        (
            'well,x\nB02,1\nB03,"open\nB04,2\n',
            "Line 3 of samples.csv cannot be split into cells (unexpected end of data); close each quote that is "
            'opened, write a quote inside a quoted cell twice (""), and keep cells below 10,000 characters.',
        ),
        (
            "well,dose (\u00b5M),24 h,x\nB02,1,2,3\n",
            "samples.csv has 2 column names with other signs than letters, digits and _, or a digit in front; rename "
            "'dose (\u00b5M)' to dose_uM, '24 h' to column_24_h.",
        ),
        (
            "well,label,x,image_date\nB02,1,2,3\n",
            "samples.csv has 2 columns with a name that columns of NucleusNet have; rename label to sample_label, "
            "image_date to sample_image_date, for example.",
        ),
        (
            "well,pixels_per_um\nB02,3.1\nB03,0\n",
            "Line 3 of samples.csv has '0' in column pixels_per_um; give a number above 0, such as 3.1.",
        ),
        (
            "well,split\nB02,train\nB03,hold-out\n",
            "Line 3 of samples.csv has 'hold-out' in column split; give a name of letters, digits and _ that does not "
            'begin with a digit and is not "all", such as train.',
        ),
        (
            "well,split\nB02,train\nB03,Train\n",
            "Line 3 of samples.csv has Train in column split, and other rows have train; write each split in one way.",
        ),
        (
            'well,dose\nB02,5\nB03,"1,000"\n',
            "Line 3 of samples.csv has '1,000' in column dose, where the comma may be a decimal point or be there "
            "for thousands; write the numbers of this column with a decimal point, and without a sign for thousands.",
        ),
        (
            "well;dose\nB02;0,5\nB03;1.000\n",
            "Line 2 of samples.csv has '0,5' in column dose, where the comma may be a decimal point or be there "
            "for thousands; write the numbers of this column with a decimal point, and without a sign for thousands.",
        ),
        (
            "well,x\nB02," + "y" * 10_001 + "\n",
            "Line 2 of samples.csv has 10,001 characters in column 'x'; a cell may have 10,000 at most.",
        ),
    ],
)
def test_what_is_refused(text: str, said: str, tmp_path: Path) -> None:
    assert message(tmp_path, text) == said


@pytest.mark.parametrize("scale", ["-1", "nan", "inf", "1e999", "three", "true", '"3,1"'])
def test_a_scale_is_a_number_above_0(scale: str, tmp_path: Path) -> None:
    assert f"has '{scale.strip(chr(34))}' in column pixels_per_um; give a number above 0" in message(
        tmp_path, f"well,pixels_per_um\nB02,{scale}\n"
    )


@pytest.mark.parametrize("split", ["1", "all", "All", "a.b", "trainé"])
def test_a_split_is_a_plain_name(split: str, tmp_path: Path) -> None:
    assert f"Line 2 of samples.csv has '{split}' in column split; give a name" in message(
        tmp_path, f"well,split\nB02,{split}\n"
    )


@pytest.mark.parametrize("name", sorted({*NUCLEUS_COLUMNS, *STITCHED_COLUMNS, "image", "mask", "row_hash", "mask_x"}))
def test_the_names_of_our_columns_are_refused(name: str, tmp_path: Path) -> None:
    if name in ("stitched_image", "run_name", "pixels_per_um"):
        assert sheet_of(tmp_path, f"well,{name}\nB02,1\n").columns == {}
    else:
        assert f"rename {name} to sample_{name}, for example." in message(tmp_path, f"well,{name}\nB02,1\n")


def test_the_same_keys_are_said_with_their_names(tmp_path: Path) -> None:
    text = "well,site\nB02,1\nB02,2\nB02,1\n"
    assert message(tmp_path, text, ("well", "site")) == (
        "Lines 2 and 4 of samples.csv are both for well 'B02', site '1'; leave one of them."
    )


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("well,note\nB02,\u00b5\n".encode("latin-1"), 2),
        ("well,note\nB02,\u00b5\n".encode("utf-16-le"), 2),
        ("well,note\nB02,a\n".encode("utf-16-le"), 1),
        (b"\xff\xfew\x00\n\x00\x00\xd8", 2),
        (b"PK\x03\x04\x14\x00\x00", 1),
    ],
)
def test_another_encoding_is_refused(data: bytes, line: int, tmp_path: Path) -> None:
    assert message(tmp_path, data) == (
        f"samples.csv is not text in UTF-8 (see line {line}); save it in UTF-8, in Excel as CSV UTF-8."
    )


def test_files_that_are_no_sheets(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv does not exist; give the file of the sample sheet\."):
        read_samples(tmp_path / "none.csv", ())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"folder\.csv is not a file; give the file of the sample sheet\."):
        read_samples(tmp_path / "folder.csv", ())
    assert message(tmp_path, "well\n", name="samples.xlsx") == (
        "samples.xlsx is not a .csv, .tsv or .parquet file; save the sheet as one of these, in Excel as CSV UTF-8."
    )
    assert re.fullmatch(
        r"samples\.parquet cannot be read \(.+\); check that the file is whole and that you may read it\.",
        message(tmp_path, "well,x\nB02,1\n", name="samples.parquet"),
    )


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    with path.open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(UsageError, match=r"has 67,108,865 bytes; a sample sheet may have 67,108,864 at most\."):
        read_samples(path, ())


TOO_MANY_ROWS = "has more than 1,000,000 rows; give a sample sheet with a row for each image or run."


@pytest.mark.slow
def test_a_text_file_has_a_million_rows_at_most(tmp_path: Path) -> None:
    assert message(tmp_path, "well\n" + "x\n" * 1_000_001) == f"samples.csv {TOO_MANY_ROWS}"


def test_a_parquet_file_has_a_million_rows_at_most(tmp_path: Path) -> None:
    assert parquet_message(tmp_path, {"well": pa.array(range(1_000_001))}) == f"samples.parquet {TOO_MANY_ROWS}"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("dose (\u00b5M)", "dose_uM"),
        ("\u03bcm\u00b2", "um2"),
        ("Gr\u00f6\u00dfe [px]", "Grosse_px"),
        ("conc. 10 %", "conc_10_percent"),
        ("24 h", "column_24_h"),
        ("\u6e29\u5ea6", "column"),
        ("cell-line", "cell_line"),
    ],
)
def test_a_plain_name_is_proposed(name: str, plain: str, tmp_path: Path) -> None:
    assert message(tmp_path, f"well,{name}\nB02,1\n").endswith(f"; rename '{name}' to {plain}.")


@given(
    st.binary(max_size=40), st.lists(st.sampled_from(["a", "1", "0,5", ",", ";", "\t", '"', "\n", "\r", " ", "\u00b5"]))
)
def test_whatever_stands_in_a_file_there_is_a_sheet_or_one_sentence(data: bytes, parts: list[str]) -> None:
    with TemporaryDirectory() as folder:
        for content in (data, b"well,x" + data, b"well,x\n" + "".join(parts).encode()):
            try:
                said = "." if sheet_of(Path(folder), content).rows else "a sheet without rows"
            except UsageError as error:
                said = str(error)
            assert said.endswith(".")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    sheet = parquet_of(
        tmp_path,
        {
            "well": pa.array(["B02", "B03"]).dictionary_encode(),
            "site": pa.array([1, 2], pa.int16()),
            "dose": pa.array([0.5, float("nan")], pa.float32()),
            "passage": pa.array([7, None], pa.uint64()),
            "treated": pa.array([True, None]),
            "compound": pa.array(["DMSO", " "], pa.large_string()),
            "batch": pa.array(["007", "007"]).dictionary_encode(),
            "empty": pa.nulls(2),
            "pixels_per_um": pa.array([3, None]),
            "split": pa.array(["train", None]),
        },
        ("well", "site"),
    )
    assert sheet.keys == ("well", "site")
    assert sheet.columns == {
        "dose": "float64",
        "passage": "int64",
        "treated": "bool",
        "compound": "string",
        "batch": "string",
        "empty": "string",
    }
    assert sheet.rows == {
        ("B02", "1"): SampleRow((0.5, 7, True, "DMSO", "007", None), "train", 3.0, 1),
        ("B03", "2"): SampleRow((None, None, None, None, "007", None), None, None, 2),
    }


def test_parquet_columns_of_other_types_are_refused_by_name(tmp_path: Path) -> None:
    columns = {"well": ["B02"], "day": [date(2026, 3, 1)], "sizes": [[1]]}
    assert parquet_message(tmp_path, columns) == (
        "samples.parquet has columns that are not whole numbers, decimals, true or false, or text: 'day' "
        "(date32[day]), 'sizes' (list<element: int64>); change or remove them."
    )


def test_parquet_errors_name_the_row(tmp_path: Path) -> None:
    assert parquet_message(tmp_path, {"well": ["B02", "B02"]}) == (
        "Rows 1 and 2 of samples.parquet are both for well 'B02'; leave one of them."
    )
    assert parquet_message(tmp_path, {"well": ["B02"], "pixels_per_um": [True]}) == (
        "Row 1 of samples.parquet has 'True' in column pixels_per_um; give a number above 0, such as 3.1."
    )
    assert parquet_message(tmp_path, {"well": [1.5]}) == (
        "Column well of samples.parquet is float64; a key is text or a whole number."
    )
    assert parquet_message(tmp_path, {"well": pa.array([], pa.string())}) == (
        "samples.parquet has names of columns and no rows; it needs a row for each image or run."
    )
    assert "cannot be read" in parquet_message(tmp_path, {"well": ["B02"], "x": pa.array([2**64 - 1], pa.uint64())})
