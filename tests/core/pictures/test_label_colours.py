"""Colours by label: bright, and the same for a label and a seed in every picture."""

import numpy as np

from nucleusnet_core.pictures.label_colours import MAX_COLOURS, colours_of, label_colours


def test_a_label_has_the_same_colour_among_whatever_others() -> None:
    labels = np.array([7, 1, 7, 65_535, 200_000], np.uint32)
    found = colours_of(labels, seed=3)
    assert found.dtype == np.uint8
    assert np.array_equal(found, label_colours(200_001, seed=3)[labels])
    assert np.array_equal(found[:3], colours_of(labels[:3], seed=3))
    assert not np.array_equal(found, colours_of(labels, seed=4))


def test_the_colours_of_a_seed_never_change() -> None:
    labels = np.array([1, 2, 3], np.uint32)
    assert colours_of(labels, seed=0).tolist() == [[58, 134, 192], [233, 66, 144], [67, 226, 181]]


def test_labels_of_32_bits_have_the_colours_of_their_remainders() -> None:
    largest = 2**32 - 1
    labels = np.array([largest, largest % MAX_COLOURS, MAX_COLOURS + 5, 5], np.uint32)
    found = colours_of(labels, seed=0)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[2], found[3])
    assert found.max(axis=1).min() >= 190


def test_no_labels_have_no_colours() -> None:
    assert colours_of(np.zeros(0, np.uint32), seed=0).shape == (0, 3)
