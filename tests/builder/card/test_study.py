"""`study.toml`: the worked example is complete, and what is missing, unknown or wrong is named."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from builder.build.options import BuildOptions
from builder.card.card import item_rows, quality_text
from builder.card.markdown import plain_paragraphs
from builder.card.study import ITEMS, NO_STUDY, Study, citation, read_study
from nucleusnet_core.errors import UsageError
from tests.builder.commands import nucleusnet
from tests.root import ROOT

EXAMPLE = ROOT / "study.toml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The example with one change."""
    text = EXAMPLE.read_text("utf-8")
    assert old in text
    path = tmp_path / "study.toml"
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_the_worked_example_states_the_published_study() -> None:
    study = read_study(EXAMPLE, pixels_per_um=8.0453)
    assert study.text("biosample", "cell_line") == "CV-1"
    assert study.text("specimen", "stain") == "DAPI"
    assert study.text("segmentation", "parameters") == (
        "flow_threshold 0.5, cellprob_threshold -2.0, diameter 152.91 px"
    )
    assert len(study.lines("segmentation", "criteria")) == 3
    assert study.lines("quality", "biases")


def test_a_study_saved_by_a_windows_editor_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_text("utf-8").replace("\n", "\r\n").encode())
    assert read_study(path, pixels_per_um=8.0453) == read_study(EXAMPLE, pixels_per_um=8.0453)


def test_the_example_marks_exactly_the_needed_items_and_mentions_every_one() -> None:
    marked, mentioned, section = set(), set(), ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if match := re.match(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"(?:# )?(\w+) = ", line):
            key = f"{section}.{match[1]}"
            mentioned.add(key)
        if line.endswith("# needed") or "# needed:" in line:
            marked.add(key)
    items = {f"{name}.{key}": item for name, keys in ITEMS.items() for key, item in keys.items()}
    assert mentioned == set(items)
    assert marked == {key for key, item in items.items() if item.needed}


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, keys in ITEMS.items() for key in keys if keys[key].needed]
)
def test_a_missing_needed_item_is_named(section: str, key: str, tmp_path: Path) -> None:
    facts: dict[str, Any] = tomllib.loads(EXAMPLE.read_text("utf-8"))
    del facts[section][key]
    lines = [f"[{name}]\n" + "\n".join(f"{k} = {v!r}" for k, v in keys.items()) for name, keys in facts.items()]
    path = tmp_path / "study.toml"
    path.write_text("\n".join(lines).replace("\\'", "'"), "utf-8")
    with pytest.raises(UsageError, match=rf"{section}\.{key} is missing"):
        read_study(path, pixels_per_um=8.0453)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('stain = "DAPI"', "stain = 3", r"specimen\.stain is 3; it must be a text that is not empty\."),
        ('stain = "DAPI"', 'stain = " "', r"specimen\.stain is ' '; it must be a text that is not empty\."),
        ("year = 2026", 'year = "2026"', r"dataset\.year is '2026'; it must be a whole number\."),
        ("year = 2026", "year = true", r"dataset\.year is True; it must be a whole number\."),
        (
            'tissue = "kidney"',
            'tisue = "kidney"',
            r"biosample\.tisue is not known; the items of this section are: organism, cell_line",
        ),
        ("[specimen] ", "[speciment] ", r"\[speciment\] is not a section of a study; these are: dataset, "),
        (
            'authors = ["The NucleusNet authors"]',
            "authors = []",
            r"dataset\.authors is \[\]; it must be a list of texts, none of them empty\.",
        ),
        (
            "pixels_per_um = 8.0453",
            "pixels_per_um = 6.5",
            r"says acquisition\.pixels_per_um = 6\.5, but the scale of the images is 8\.0453; correct one of them\.",
        ),
        ("[quality]", "[quality", "is not a study file in TOML, or cannot be read"),
    ],
)
def test_what_cannot_be_right_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_study(changed(tmp_path, old, new), pixels_per_um=8.0453)


def test_all_problems_are_named_at_once_before_anything_is_built(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[dataset]\nname = "Mine"\n[biosample]\norganism = 3\n', "utf-8")
    done = nucleusnet("build", tmp_path, "--study", path, cwd=tmp_path)
    assert done.returncode == 2
    example = f"An example that explains every item is {EXAMPLE}."
    needed = ("dataset.license is missing (Licence).", "biosample.organism is 3;", "quality.biases", example)
    for expected in needed:
        assert expected in done.stderr
    assert not (tmp_path / "nucleusnet.work").exists()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a" * (2 << 20)])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"study\.toml"):
        BuildOptions(tmp_path, tmp_path / "out", study=path)


def test_the_citation_is_that_of_the_study() -> None:
    assert citation(NO_STUDY, "default") == "default"
    assert citation(read_study(EXAMPLE, pixels_per_um=8.0453), "default").splitlines() == [
        "@misc{nucleusnet,",
        "  title = {NucleusNet},",
        "  author = {{The NucleusNet authors}},",
        "  year = {2026},",
        "}",
    ]


NASTY = """\
| x <script>alert(1)</script> ![a](http://x) [b](javascript:c)

# heading

```
- item"""


def test_texts_of_a_study_stay_plain_text_in_the_card() -> None:
    study = Study({"biosample": {"cell_line": NASTY}, "quality": {"biases": ["- [x](y)", "1. first", "<b>"]}})
    label = ITEMS["biosample"]["cell_line"].label
    row = next(row for row in item_rows(study, "biosample") if row.startswith(f"| {label}"))
    assert row.endswith(
        "| \\| x &lt;script&gt;alert\\(1\\)&lt;/script&gt; \\!\\[a\\]\\(http://x\\) \\[b\\]\\(javascript:c\\) "
        "\\# heading \\`\\`\\` - item |"
    )
    assert quality_text(study).splitlines()[-3:] == ["- \\- \\[x\\]\\(y\\)", "- 1\\. first", "- &lt;b&gt;"]
    paragraphs = plain_paragraphs(NASTY).split("\n\n")
    assert paragraphs[1:] == ["\\# heading", "\\`\\`\\` - item"]
    assert "```" not in plain_paragraphs(NASTY)
    assert plain_paragraphs("- item") == "\\- item"


def test_a_text_of_a_study_cannot_end_the_entry_of_the_citation() -> None:
    facts = {"name": "} of {", "authors": ["{DAPI} lab", "a}\n```\nb"], "year": 2024, "doi": "10.1/x\n```\n# y"}
    assert citation(Study({"dataset": facts}), "default").splitlines() == [
        "@misc{of,",
        "  title = { of },",
        "  author = {{{DAPI} lab} and {a ``` b}},",
        "  year = {2024},",
        "  doi = {10.1/x ``` # y},",
        "}",
    ]
