"""A program that stops in the middle of an epoch; arguments: source, workers, how it stops."""

import sys

from loaders import train_loader


def main() -> None:
    source, workers, how = sys.argv[1:]
    loader = train_loader(source, batch_size=8, num_workers=int(workers))
    print("opened", flush=True)
    sys.stdin.readline()
    if how == "break":
        for batch in loader:
            print(f"given {len(batch['image'])}", flush=True)
            break
    else:
        globals()["kept"] = iter(loader)
        print(f"given {len(next(globals()['kept'])['image'])}", flush=True)


if __name__ == "__main__":
    main()
