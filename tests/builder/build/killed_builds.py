"""Builds again and again, each time in a process that kills itself at a random file operation.

Counted are those on the output and its work folder that Python reports to audit hooks: files opened, folders made,
names changed and removed. Workers are threads, so that all of it happens in the process that ends.
"""

import json
import os
import random
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder.build.assembly import Made, assemble_dataset
from builder.build.build import find, make_pieces, piece_tasks
from builder.build.options import BuildOptions
from builder.build.work_folder import open_work
from builder.workers.engine import Workers
from nucleusnet_core.terminal.progress import NoProgress
from tests.builder.commands import contents

WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
CREW = Workers(lambda: ThreadPoolExecutor(1), 1)


def kill_at(moment: int, folder: Path) -> None:
    """Let this process be killed at its file operation number `moment` below a folder."""
    left = moment

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in WATCHED and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def build_here(options: BuildOptions) -> None:
    found = find(options)
    with open_work(options.out, options.recorded_parameters(), fresh=False) as work:
        receipts, failed = make_pieces(piece_tasks(options, found, found.sources, work), CREW, NoProgress())
        made = Made(receipts, [*found.failures, *failed])
        assemble_dataset(options, found, made, work, workers=CREW, progress=NoProgress())


def main() -> None:
    """Print one line a process: whether it was killed, and the contents of the dataset folder if there is one."""
    stitched, out, processes, most = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    moments = random.Random(4)
    for _ in range(processes):
        moment = moments.randint(1, most)
        child = os.fork()
        if child == 0:
            kill_at(moment, out.parent)
            build_here(BuildOptions(stitched, out))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) and status:
            sys.exit(f"a build ended by itself with {os.waitstatus_to_exitcode(status)}")
        print(json.dumps([os.WIFSIGNALED(status), contents(out) if out.exists() else None]), flush=True)
        if out.exists():  # begin anew
            shutil.rmtree(out)
            shutil.rmtree(out.with_name(f"{out.name}.work"), ignore_errors=True)


if __name__ == "__main__":
    main()
