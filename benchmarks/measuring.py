"""CPU seconds and peak memory of this process and its children, and tables of them."""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """What a block costs, children included once they have ended.

    Attributes:
        cpu_s: user and system time.
        wall_s: elapsed time.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0


@contextlib.contextmanager
def measured() -> Iterator[Cost]:
    """Yield a cost that is filled in when the block ends."""
    cost, begun, cpu_s = Cost(), time.perf_counter(), cpu_seconds()
    yield cost
    cost.cpu_s, cost.wall_s = cpu_seconds() - cpu_s, time.perf_counter() - begun


def cpu_seconds() -> float:
    """Return user and system time of this process and of its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, MB.

    On Linux, a program inherits `ru_maxrss` from the process that starts it, so /proc is asked first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def command_cost(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run a command and return its CPU and wall seconds, and the peak memory of its largest process, MB.

    This module is started in between, so that the command inherits no peak from a large caller.
    """
    between = [sys.executable, __file__, *command]
    done = subprocess.run(between, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True)
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def main() -> None:
    """Run the command that the arguments are, and print its cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command, with its arguments")
    command = parser.parse_args().command
    with measured() as cost:
        subprocess.run(command, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "peak_mb": peak}))


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"### {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def write_results(path: Path, name: str, text: str) -> None:
    """Replace the part of a Markdown file between `<!-- name -->` and `<!-- /name -->`."""
    before = path.read_text("utf-8")
    start, stop = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, rest = before.split(start, 1)
    path.write_text(head + start + text + stop + rest.split(stop, 1)[1], "utf-8")


if __name__ == "__main__":
    main()
