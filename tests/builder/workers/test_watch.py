"""Tasks that never end, and what libraries say in worker processes."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.workers.engine import local_workers, run_tasks
from builder.workers.pool import OverdueError
from builder.workers.watch import seconds_for
from tests.builder.commands import environment

from . import worker_tasks


@pytest.mark.parametrize("count", [1, 2])
def test_a_task_that_never_ends_is_ended_and_all_others_have_results(count: int, tmp_path: Path) -> None:
    workers = local_workers(count)
    tasks = [(number, 0.2, tmp_path) for number in range(6)]
    began = time.monotonic()
    ends = {
        done.task[0]: done
        for done in run_tasks(
            worker_tasks.hang_at_two,
            tasks,
            make_executor=workers.make_executor,
            workers=count,
            seconds=lambda task: 3.0 if task[0] == 2 else 60.0,
        )
    }
    assert time.monotonic() - began < 30
    assert {number: done.result for number, done in ends.items()} == {0: 0, 1: 1, 2: None, 3: 3, 4: 4, 5: 5}
    assert type(ends[2].error) is OverdueError
    assert ends[2].reason() == (
        "it was not finished after 0 min and was ended; the file may be damaged, or its disk hangs: copy it to another "
        "disk, or export it again."
    )
    assert len(list(tmp_path.glob("2.*"))) == 1, "it ran once"
    assert multiprocessing.active_children() == []


def test_closing_does_not_wait_for_a_task_that_never_ends(tmp_path: Path) -> None:
    workers = local_workers(2)
    tasks = [(number, 0.0, tmp_path) for number in (2, 3)]
    ends = run_tasks(
        worker_tasks.hang_at_two,
        tasks,
        make_executor=workers.make_executor,
        workers=2,
        seconds=lambda _task: 4.0,
    )
    assert next(ends).task[0] == 3
    began = time.monotonic()
    ends.close()
    assert time.monotonic() - began < 15


def test_the_time_of_a_task_grows_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(1_000_000))
    (tmp_path / "mask").write_bytes(bytes(500_000))
    assert seconds_for(tmp_path / "image", tmp_path / "mask", tmp_path / "missing") == 615.0


SAY = """
import sys
from pathlib import Path
from builder.workers.engine import local_workers, run_tasks
from builder.workers.log import logging_to
from nucleusnet_core.terminal.silence import silence_libraries
from tests.builder.workers.worker_tasks import log_of_libraries

if __name__ == "__main__":
    silence_libraries()
    workers = local_workers(2)
    def all_of_them():
        log_of_libraries(7)
        return len(list(run_tasks(log_of_libraries, [1, 2], make_executor=workers.make_executor, workers=2)))
    if len(sys.argv) > 1:
        with logging_to(Path(sys.argv[1])):
            print(all_of_them())
    else:
        print(all_of_them())
"""


def test_what_libraries_say_goes_to_the_log_of_the_run_and_not_to_the_terminal(tmp_path: Path) -> None:
    script, log = tmp_path / "say.py", tmp_path / "run.log"
    script.write_text(SAY, "utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run([*command, str(log)], env=environment(), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("2\n", "")
    said = log.read_text("utf-8")
    assert [said.count(f"library says {number}\n") for number in (1, 2, 7)] == [1, 1, 1]
    assert [said.count(f"warning {number}\n") for number in (1, 2, 7)] == [1, 1, 1]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert "library says" not in done.stderr
