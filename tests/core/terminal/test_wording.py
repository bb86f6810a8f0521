"""Numbers in messages."""

from nucleusnet_core.terminal.wording import counted


def test_one_is_singular_and_every_other_number_plural() -> None:
    assert [counted(number, "image") for number in (0, 1, 2, 1234)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,234 images",
    ]
    assert [counted(number, "input is", "inputs are") for number in (1, 2)] == ["1 input is", "2 inputs are"]
