"""`python -m tests.fuzz [SECONDS [SEED]]` tries all targets for so long; `... TARGET SEED NUMBER` one case, here."""

import sys

from tests.fuzz.child import single
from tests.fuzz.frame import KINDS, Report, run
from tests.fuzz.targets import targets

_SHOWN_FAULTS = 20


def row(report: Report) -> str:
    """Return the line of the table for a target."""
    counts = report.count()
    cells = [f"{report.cases:>8,}", f"{report.taken:>8,}", *(f"{counts[kind]:>9}" for kind in KINDS)]
    return f"{report.target.rpartition('.')[2]:<20}" + " ".join(cells)


def main(seconds: float = 600, seed: int = 0) -> int:
    """Try all targets, print a table, and return the exit code."""
    found = targets()
    head = [f"{'inputs':>8}", f"{'taken':>8}", *(f"{kind:>9}" for kind in KINDS)]
    print(f"{'target':<20}" + " ".join(head))
    reports = []
    for target in found:
        reports.append(run(target, seed=seed, seconds=seconds / len(found)))
        print(row(reports[-1]), flush=True)
    for report in reports:
        for fault in report.faults[:_SHOWN_FAULTS]:
            print(f"\n{fault.kind}: python -m tests.fuzz {report.target} {seed} {fault.number}\n  {fault.detail}")
    return int(any(report.faults for report in reports))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        single(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main(*map(int, sys.argv[1:])))
