"""Reads a dataset with little memory, in a process of its own: prints the type of the error and its message.

Arguments: the folder, and "sample", "loader" or "verify".
"""

import resource
import sys
from pathlib import Path

import pyarrow as pa

import nucleusnet_dataset
from builder.verify.verify import verify
from loaders.train import train_loader
from nucleusnet_core.errors import NucleusNetError

MEMORY_BYTES = 2 << 30


def main(folder: Path, verb: str) -> str:
    """Return how the reading ended."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    try:
        if verb == "sample":
            nucleusnet_dataset.sample(4, source=str(folder))
        elif verb == "loader":
            for _ in train_loader(str(folder), batch_size=4, columns=["image", "name_0", "name_1"], num_workers=0):
                pass
        else:
            return " ".join(problem.message for problem in verify(folder).problems)
    except NucleusNetError as error:
        return f"{type(error).__name__}: {error}"
    return "read"


if __name__ == "__main__":
    pa.set_cpu_count(1)
    print(main(Path(sys.argv[1]), sys.argv[2]))
