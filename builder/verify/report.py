"""What a check of a dataset folder found: everything that is wrong, and where."""

from dataclasses import dataclass, field

MAX_PROBLEMS_OF_A_FILE = 20
"""A file that is damaged throughout is named with so many problems and the number of the others."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    where: str
    message: str


@dataclass
class Report:
    """What a check found.

    Attributes:
        files: number of files checked.
        rows: rows of config default.
        problems: everything that is wrong.
    """

    files: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, message))

    def expect(self, where: str, what: str, expected: object, found: object) -> None:
        """Note a problem if two things differ that should be equal."""
        if expected != found:
            self.add(where, f"{what}: {expected} expected, {found} found")

    def take(self, path: str, problems: list[Problem]) -> None:
        """Note the problems of one file, not too many of them."""
        self.problems += problems[:MAX_PROBLEMS_OF_A_FILE]
        if (more := len(problems) - MAX_PROBLEMS_OF_A_FILE) > 0:
            self.add(path, f"{more:,} more problems like these")
