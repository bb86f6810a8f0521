"""Measure what loading costs beside other loaders, and what a random 1,000 costs; write tables of benchmarks/README.md.

Everything is measured in processes of their own, in turns; the tables show medians. Loaders that are not installed are
left out; `--peers PYTHON` names the Python of an environment that has them.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.loader_data import make_data
from benchmarks.loader_full import (
    FULL,
    FULL_PLAIN,
    FULL_SHARDS,
    REPOSITORIES,
    served_hub,
    write_full_size,
)
from benchmarks.loader_peers import LOADERS, OURS
from benchmarks.loader_start import start_costs
from benchmarks.measuring import table, write_results
from benchmarks.reference import ROWS, RUNS
from tests.hub.server import client_environment
from tests.range_server import serve

TIMEOUT_S = 600
WORKERS = (0, 2)
LATENCIES_S = (0.0, 0.05)
DRAWS = {
    "**sample**, blocks, from a URL": ("blocks", "url"),
    "**sample**, blocks, from a Hub": ("blocks", FULL),
    "**sample**, rows, from a URL": ("rows", "url"),
    "datasets, shuffle(1000).take(1000), plain PNG run after run, as it is": ("hf-shuffle", FULL_PLAIN),
    "the same, without its sleep of 5 s": ("hf-shuffle-awake", FULL_PLAIN),
    "datasets, shuffle(1000).take(1000), files of this project, without its sleep": ("hf-shuffle-awake", FULL),
}
Results = dict[Any, list[dict[str, float]]]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, default=20_000, help="crops of an epoch; 2000 for a quick look")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions; 1 for a quick look")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="Python that has the other loaders")
    parser.add_argument("--only", nargs="*", choices=list(LOADERS), default=list(LOADERS), help="loaders to compare")
    parser.add_argument("--skip-random", action="store_true", help="measure epochs only")
    parser.add_argument(
        "--data", type=Path, help="folder for the crops, used again if it holds them; default: a temporary one"
    )
    return parser.parse_args()


def main() -> None:
    """Run everything and write the tables."""
    arguments = parsed()
    with data_folder(arguments.data) as folder:
        crops, versions = prepare(folder, arguments.crops, arguments.peers)
        names = [name for name in arguments.only if LOADERS[name].package in {"", *versions}]
        tables = [
            epoch_table(crops, run_epochs(folder, names, arguments)),
            start_table(start_costs(folder / OURS, 2 * arguments.repeat - 1)),
        ]
        if not arguments.skip_random:
            tables.append(random_table(run_draws(folder, arguments.repeat)))
    stated = ", ".join(f"{package} {number}" for package, number in sorted(versions.items()))
    head = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {stated}\n\n"
    text = head + "\n".join(tables)
    write_results(ROOT / "benchmarks" / "README.md", "loaders", text)
    print(text)


@contextlib.contextmanager
def data_folder(kept: Path | None) -> Iterator[Path]:
    """Yield the folder for the crops: a temporary one, or the one that is kept."""
    if kept is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.absolute()


def prepare(folder: Path, wanted: int, peers: str) -> tuple[int, dict[str, str]]:
    """Write the crops in all formats unless they exist; return their number and the versions of the loaders."""
    done = folder / "prepared.json"
    if not done.exists():
        crops = make_data(folder, wanted)
        write_full_size(folder)
        command = [peers, str(ROOT / "benchmarks" / "loader_formats.py"), str(folder)]
        written = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        versions = json.loads(written.stdout) | {name: version(name) for name in ("torch", "pyarrow", "datasets")}
        facts = {"wanted": wanted, "peers": peers, "crops": crops, "versions": versions}
        done.write_text(json.dumps(facts))
    facts = json.loads(done.read_text())
    if (facts["wanted"], facts["peers"]) != (wanted, peers):
        said = f"--crops {facts['wanted']} --peers {facts['peers']}"
        sys.exit(f"--data: {folder} holds the crops of {said}; give the same options, or another folder.")
    return facts["crops"], facts["versions"]


def run_epochs(folder: Path, names: Sequence[str], arguments: argparse.Namespace) -> Results:
    """Return what epochs cost, measured in turns."""
    results: Results = defaultdict(list)
    for repetition in range(arguments.repeat):
        for workers in WORKERS:
            for name in names:
                python = sys.executable if LOADERS[name].package in ("", "datasets") else arguments.peers
                measured = run("loader_epoch.py", str(folder), name, str(workers), python=python)
                if measured:
                    results[name, workers].append(measured)
                    print(f"{repetition + 1}: {name}, {workers} workers: {measured}", file=sys.stderr)
    if not results["ours", 0]:
        sys.exit("The loader of this project failed; see above.")
    return results


def run(
    program: str, *arguments: str, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> dict[str, float] | None:
    """Run one of the programs beside this one; return what it printed, or None after printing why it failed."""
    command = [python, str(ROOT / "benchmarks" / program), *arguments]
    environment = {**(environment or os.environ), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, errors = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        out, errors = "", f"not done after {TIMEOUT_S} s"
    finally:
        with contextlib.suppress(ProcessLookupError):  # its own group: workers that it left behind end too
            os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        print(f"{program} {' '.join(arguments)} failed: {errors.strip()[-500:]}", file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(lines[-1])
    return result


def middle(measured: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the median of one figure, not a number if it was never measured."""
    return median(each[name] for each in measured) if measured else float("nan")


def epoch_table(crops: int, results: Results) -> str:
    """Return the table of the loaders, the cheapest first."""
    names = sorted({name for name, _ in results}, key=lambda name: middle(results[name, 0], "cpu_ms"))
    ours = middle(results["ours", 0], "cpu_ms")
    rows = []
    for name in names:
        alone, helped = results[name, 0], results[name, 2]
        cpu_ms = middle(alone, "cpu_ms")
        memory = f"{middle(helped, 'peak_mb'):.0f} + {middle(helped, 'workers_mb'):.0f}"
        figures = [f"{cpu_ms:.3f}", f"{cpu_ms / ours:.1f}", f"{middle(alone, 'images_s'):,.0f}"]
        figures += [f"{middle(alone, 'peak_mb'):.0f}", f"{middle(helped, 'cpu_ms'):.3f}"]
        rows.append([LOADERS[name].title, *figures, f"{middle(helped, 'images_s'):,.0f}", memory])
    head = ["", "CPU ms an image", "times ours", "images/s", "peak MB"]
    head += ["2 workers: CPU ms an image", "images/s", "peak MB, process + workers"]
    return table(f"An epoch of {crops:,} crops in batches of 256", head, rows)


def start_table(costs: Mapping[str, tuple[float, float]]) -> str:
    """Return the table of what starting costs."""
    rows = [[name, f"{wall:.2f}", f"{cpu:.2f}"] for name, (wall, cpu) in costs.items()]
    ratio = costs["import nucleusnet_dataset"][1] / costs["import datasets"][1]
    rows.append(["`import nucleusnet_dataset`, times `import datasets`", "", f"{ratio:.2f}"])
    return table("Starting", ["", "seconds", "CPU s"], rows)


def run_draws(folder: Path, repeat: int) -> Results:
    """Return what a random 1,000 costs, drawn in turns from servers that count what they send."""
    results: Results = defaultdict(list)
    for _ in range(repeat):
        for latency_s in LATENCIES_S:
            with served_hub(folder, latency_s) as hub, serve(folder / FULL) as server:
                server.latency_seconds = latency_s
                for name, (method, place) in DRAWS.items():
                    state, source = (server, server.url) if place == "url" else (hub, REPOSITORIES[place])
                    drawn = draw(method, source, hub)
                    if drawn:
                        drawn |= {"requests": len(state.seen), "mb": sum(seen.sent for seen in state.seen) / 1e6}
                        results[name, latency_s].append(drawn)
                        print(f"{name}, {latency_s} s latency: {drawn}", file=sys.stderr)
                    state.seen.clear()
    return results


def draw(method: str, source: str, hub: Any) -> dict[str, float] | None:
    """Return what it costs to draw once with empty caches."""
    with tempfile.TemporaryDirectory() as home:
        return run("loader_random.py", method, source, environment=client_environment(hub, home))


def random_table(results: Results) -> str:
    """Return the table of the ways to draw."""
    rows = []
    for name in DRAWS:
        near, far = (results[name, latency_s] for latency_s in LATENCIES_S)
        figures = [f"{middle(near, 'requests'):.0f}", f"{middle(near, 'mb'):,.1f}", f"{middle(near, 'seconds'):.2f}"]
        figures += [f"{middle(far, 'seconds'):.2f}", f"{middle(near, 'cpu_s'):.2f}", f"{middle(near, 'runs'):.0f}"]
        rows.append([name, *figures])
    head = ["", "requests", "MB", "seconds", "seconds, 50 ms a request", "CPU s", f"runs of {RUNS}"]
    return table(f"A random 1,000 of {ROWS:,} in {FULL_SHARDS} shards, cold, over HTTP", head, rows)


if __name__ == "__main__":
    main()
