"""A program that stops in the middle of an epoch; arguments: source, workers, how it stops."""

import os
import sys
import threading
from queue import SimpleQueue
from typing import Any

from loaders import TrainLoader, train_loader
from nucleusnet_core.errors import UsageError


def main() -> None:
    source, workers, how = sys.argv[1:]
    loader = train_loader(source, batch_size=8, num_workers=int(workers))
    print("opened", flush=True)
    sys.stdin.readline()
    if how == "break":
        for batch in loader:
            print(f"given {len(batch['image'])}", flush=True)
            break
    elif how == "daemon":
        print(f"given {len(in_a_daemon(loader).get()['image'])}", flush=True)
    elif how == "fork":
        print(f"given {in_a_child(loader)}", flush=True)
    else:
        globals()["kept"] = iter(loader)
        print(f"given {len(next(globals()['kept'])['image'])}", flush=True)


def in_a_daemon(loader: TrainLoader) -> SimpleQueue[dict[str, Any]]:
    """Have a thread that nobody waits for put batches into a queue."""
    given: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def put_all() -> None:
        for batch in loader:
            given.put(batch)

    threading.Thread(target=put_all, daemon=True).start()
    return given


def in_a_child(loader: TrainLoader) -> int:
    """Go on with an iteration in a forked process; return 8 if that is refused."""
    batches = iter(loader)
    next(batches)
    child = os.fork()
    if child == 0:
        try:
            for _ in batches:
                pass
        except UsageError as error:
            os._exit(8 if "after a fork" in str(error) else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
