"""One process of a real group: prints as JSON what its loader gave, and what all of them agree on."""

import itertools
import json
import sys
from typing import Any

import torch.distributed as dist

from loaders import TrainLoader, train_loader


def main() -> None:
    rank, world_size, meeting_point, source, state = sys.argv[1:]
    dist.init_process_group("gloo", init_method=meeting_point, rank=int(rank), world_size=int(world_size))
    resumed = loader_of(source)
    resumed.load_state_dict(json.loads(state))
    rest = ids(resumed)
    loader = loader_of(source, num_workers=1)
    loader.set_epoch(1)
    begun = ids(itertools.islice(loader, 4))
    states: list[Any] = [None] * int(world_size)
    dist.all_gather_object(states, loader.state_dict())
    print(json.dumps({"rest": rest, "begun": begun, "length": len(loader), "states": states}))
    dist.destroy_process_group()


def loader_of(source: str, **options: Any) -> TrainLoader:
    return train_loader(source, batch_size=16, columns=("nucleus_id",), drop_last=False, **options)


def ids(batches: Any) -> list[list[str]]:
    return [batch["nucleus_id"] for batch in batches]


if __name__ == "__main__":
    main()
