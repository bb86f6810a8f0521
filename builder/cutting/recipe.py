"""What a user may choose about the cut: the recipe, and what a crop shows outside its nucleus."""

from enum import StrEnum


class Recipe(StrEnum):
    """How a nucleus is cut."""

    published = "published"
    refined = "refined"


class Outside(StrEnum):
    """What a crop shows outside its nucleus: nothing, or the surroundings."""

    zero = "zero"
    keep = "keep"
