"""Tables in which no text is calculated by the spreadsheet that opens them, and every number is one."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.analysis.statistics import ImageStatistics
from builder.analysis.statistics_csv import parse_statistics_csv, statistics_csv
from nucleusnet_core.files.spreadsheet import csv_table, quoted_text, unquoted_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+a", "-a", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x","y")', "'=1", "-2.5.1", "- 1", "=5"]
)
def test_a_text_that_would_be_calculated_has_an_apostrophe_in_front(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_table([[text, "plain"]]), newline="")))
    assert rows == [[f"'{text}", "plain"]]
    assert unquoted_text(f"'{text}") == text


@pytest.mark.parametrize("value", [-1, -2.5, 0.0, "-2.5", "+3", "-1e-5", "-.5", "a=1", "it's", "'quoted'", ""])
def test_numbers_and_other_texts_stay_as_they_are(value: object) -> None:
    assert quoted_text(value) == value
    assert unquoted_text(str(value)) == str(value)


@given(st.text())
def test_what_was_quoted_can_be_read_again(text: str) -> None:
    assert unquoted_text(str(quoted_text(text))) == text


def test_names_of_images_in_the_table_of_statistics_come_back() -> None:
    measured = [ImageStatistics("+1_TL", 0, None, None), ImageStatistics("=A1", 3, 10.0, 2.0)]
    text = statistics_csv(measured)
    assert "\n'=A1,3,10.0000,2.0000\n" in text
    assert parse_statistics_csv(text, "table.csv") == measured
