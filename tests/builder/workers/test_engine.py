"""Tasks over real worker processes: results, errors, workers that die, and an end that leaves nothing behind."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from builder.workers.engine import in_order, local_workers, run_tasks
from builder.workers.pool import Done, WorkerDiedError
from tests.builder.commands import environment

from . import worker_tasks

TWO = local_workers(2)
WAIT_SECONDS = 30


def run(function: Callable[[Any], Any], tasks: list[Any]) -> list[Done[Any, Any]]:
    return list(run_tasks(function, tasks, make_executor=TWO.make_executor, workers=TWO.count))


def results(done: list[Done[Any, Any]]) -> list[Any]:
    assert [one.error for one in done if one.error] == []
    return sorted(one.result for one in done)


def test_every_task_runs_once_and_comes_back_with_its_result() -> None:
    done = run(worker_tasks.square, list(range(20)))
    assert sorted((one.task, one.result) for one in done) == [(number, number**2) for number in range(20)]


def test_tasks_run_in_other_processes_that_are_gone_at_the_end() -> None:
    ids = set(results(run(worker_tasks.process_id, list(range(8)))))
    assert os.getpid() not in ids
    assert len(ids) <= 2
    assert multiprocessing.active_children() == []
    assert not any(psutil.pid_exists(process_id) for process_id in ids)


def test_an_exception_is_the_end_of_its_task_alone() -> None:
    done = {one.task: one for one in run(worker_tasks.refuse_three, list(range(6)))}
    assert {number: one.result for number, one in done.items()} == {0: 0, 1: 1, 2: 2, 3: None, 4: 4, 5: 5}
    assert type(done[3].error) is ValueError
    assert str(done[3].error) == "three is refused"
    assert [number for number, one in done.items() if one.error is not None] == [3]


def test_the_traceback_of_an_error_that_is_not_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    done = {one.task: one for one in run(worker_tasks.refuse_three, [2, 3])}
    assert done[3].reason() == (
        "unexpected ValueError: three is refused; please report it with the traceback that was logged."
    )
    assert [(record.name, record.levelname) for record in caplog.records] == [("nucleusnet", "ERROR")]
    assert "in refuse_three" in caplog.text
    ours: Done[int, int] = Done(1, None, WorkerDiedError("it died"))
    assert ours.reason() == "it died"
    assert len(caplog.records) == 1


def test_without_a_log_the_terminal_shows_no_traceback() -> None:
    code = "from builder.workers.pool import Done; print(Done(1, None, ValueError('three')).reason())"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("unexpected ValueError: three; please report it.\n", "")


def test_a_result_that_cannot_be_sent_back_is_an_error_of_its_task() -> None:
    [done] = run(worker_tasks.hand_back_a_function, [1])
    assert done.result is None
    assert done.error is not None
    assert not isinstance(done.error, WorkerDiedError)


def test_a_worker_that_dies_once_costs_no_result(tmp_path: Path) -> None:
    tasks = [(number, tmp_path / "died") for number in range(8)]
    assert results(run(worker_tasks.die_at_first, tasks)) == list(range(8))
    assert (tmp_path / "died").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_worker_that_the_system_kills_once_costs_no_result(tmp_path: Path) -> None:
    tasks = [(number, tmp_path / "killed") for number in range(8)]
    assert results(run(worker_tasks.die_by_signal_at_first, tasks)) == list(range(8))
    assert (tmp_path / "killed").exists()


def test_a_task_that_ends_its_worker_twice_is_an_error_and_all_others_have_results() -> None:
    done = run(worker_tasks.die_at_two_and_five, list(range(8)))
    assert sorted(one.task for one in done) == list(range(8))
    died = {one.task for one in done if isinstance(one.error, WorkerDiedError)}
    assert died == {2, 5}
    assert results([one for one in done if one.error is None]) == [0, 1, 3, 4, 6, 7]
    assert "ended twice" in str(next(one.error for one in done if one.error))


def test_workers_that_end_whatever_they_are_given_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError, match=r"all ended without an error message; .*__main__"):
        run(worker_tasks.die, [(number, tmp_path) for number in range(1000)])
    assert len(list(tmp_path.iterdir())) <= 7
    assert multiprocessing.active_children() == []


SCRIPT = """
from builder.workers.engine import local_workers, run_tasks
two = local_workers(2)
list(run_tasks(abs, [-1, -2, -3, -4], make_executor=two.make_executor, workers=2))
"""


def test_a_script_that_its_workers_cannot_import_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert 'must do so below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_closing_early_cancels_what_has_not_begun_and_leaves_no_process(tmp_path: Path) -> None:
    tasks = [(number, tmp_path) for number in range(100)]
    running = run_tasks(worker_tasks.note_start, tasks, make_executor=TWO.make_executor, workers=TWO.count)
    next(running)
    assert len(multiprocessing.active_children()) == 2
    running.close()
    assert multiprocessing.active_children() == []
    assert 1 <= len(list(tmp_path.iterdir())) <= 8


def test_an_exception_in_the_consumer_leaves_no_process(tmp_path: Path) -> None:
    tasks = [(number, tmp_path) for number in range(100)]

    def consume() -> None:
        running = run_tasks(worker_tasks.note_start, tasks, make_executor=TWO.make_executor, workers=TWO.count)
        with contextlib.closing(running):
            for _ in running:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        consume()
    assert caught.tb is not None
    assert multiprocessing.active_children() == []
    assert len(list(tmp_path.iterdir())) <= 8


def test_an_interrupt_of_the_consumer_ends_the_workers_in_the_middle_of_their_tasks() -> None:
    running = run_tasks(worker_tasks.sleep, [0.0, 600.0], make_executor=TWO.make_executor, workers=TWO.count)

    def consume() -> None:
        with contextlib.closing(running):
            for _ in running:
                raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        consume()
    assert time.monotonic() - begun < WAIT_SECONDS
    assert multiprocessing.active_children() == []


class WatchedThreads(ThreadPoolExecutor):
    """Counts the tasks that were handed over and have not ended."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.handed_over: list[Future[Any]] = []
        self.most = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        self.handed_over.append(future)
        self.most = max(self.most, sum(not one.done() for one in self.handed_over))
        return future


def test_at_most_two_tasks_a_worker_are_handed_out_at_a_time() -> None:
    threads = WatchedThreads(3)
    running = run_tasks(worker_tasks.sleep, [0.002] * 50, make_executor=lambda: threads, workers=3)
    next(running)
    assert len(threads.handed_over) <= 6
    assert len(list(running)) == 49
    assert len(threads.handed_over) == 50
    assert 3 <= threads.most <= 6


def test_without_tasks_no_executor_is_made() -> None:
    def refuse() -> ThreadPoolExecutor:
        raise AssertionError("no executor expected")

    assert list(run_tasks(worker_tasks.square, [], make_executor=refuse, workers=2)) == []
    assert list(in_order(worker_tasks.square, [], make_executor=refuse, workers=2)) == []


def test_results_in_order_come_in_the_order_of_the_tasks() -> None:
    seconds = [0.08, 0.0, 0.03, 0.0, 0.01, 0.0, 0.0, 0.02]
    found = in_order(worker_tasks.sleep, seconds, make_executor=lambda: ThreadPoolExecutor(4), workers=4)
    assert list(found) == seconds


def test_results_in_order_survive_a_worker_that_dies_once(tmp_path: Path) -> None:
    tasks = ((number, tmp_path / "died") for number in range(8))
    found = in_order(worker_tasks.die_at_first, tasks, make_executor=TWO.make_executor, workers=TWO.count)
    assert list(found) == list(range(8))


def test_results_in_order_end_with_the_error_of_a_task_and_no_process_is_left() -> None:
    found = in_order(worker_tasks.refuse_three, range(100), make_executor=TWO.make_executor, workers=TWO.count)
    with pytest.raises(ValueError, match="three is refused") as caught:
        list(found)
    assert caught.tb is not None  # it keeps the frames alive
    assert multiprocessing.active_children() == []


def test_what_comes_before_the_first_error_in_order_is_yielded() -> None:
    found = in_order(worker_tasks.refuse_three, range(6), make_executor=lambda: ThreadPoolExecutor(1), workers=1)
    assert [next(found), next(found), next(found)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three is refused"):
        next(found)


PARENT = """
import sys
from pathlib import Path
from builder.workers.engine import local_workers, run_tasks
from tests.builder.workers import worker_tasks

if __name__ == "__main__":
    two = local_workers(2)
    tasks = [(number, Path(sys.argv[1])) for number in range(2)]
    list(run_tasks(worker_tasks.note_process_and_sleep, tasks, make_executor=two.make_executor, workers=2))
"""


def started(folder: Path) -> list[psutil.Process]:
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found := list(folder.glob("*.started"))) < 2:
        assert time.monotonic() < deadline, "no workers"
        time.sleep(0.02)
    return [psutil.Process(int(path.stem)) for path in found]


def at_work(workers: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run; nobody may have asked yet how an ended one ended."""
    return [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]


def test_workers_leave_interrupts_to_their_parent_and_end_when_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment())
    try:
        workers = started(tmp_path)
        if sys.platform != "win32":
            for worker in workers:
                worker.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert len(at_work(workers)) == 2
    finally:
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + WAIT_SECONDS
    while at_work(workers):
        assert time.monotonic() < deadline, "the workers outlive their parent"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_does_not_wait_for_what_runs(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment(), stderr=subprocess.PIPE, text=True)
    workers = started(tmp_path)
    begun = time.monotonic()
    parent.send_signal(signal.SIGINT)
    _, errors = parent.communicate(timeout=WAIT_SECONDS)
    assert time.monotonic() - begun < 5
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert at_work(workers) == []
