"""The console script `nucleusnet`: finds a verb among the entry points and imports only that one."""

import sys
from importlib.metadata import entry_points, version

from nucleusnet_core.terminal.command import leave, output_delivered, run_verb

SUMMARIES = {
    "simulate": "Make stitched images and masks to try everything on.",
    "segment": "Make masks of stitched images with cellpose; compare masks with true ones.",
    "overlay": "Show a mask on its image.",
    "build": "Turn stitched images and masks into a dataset folder.",
    "verify": "Check every file, cell and count of a dataset folder.",
    "stats": "Count and measure stitched images; find the most representative ones.",
    "representatives": "Find and show the nuclei nearest to the middle of all.",
    "mosaic": "Show the random nuclei of every run as one grid.",
    "upload": "Publish a dataset folder on the Hugging Face Hub.",
    "archive": "Pack images and masks, or a dataset folder, into zips that fit a repository.",
    "deposit": "Bring an archive into drafts at Zenodo, and publish them.",
    "sample": "Stream a truly random sample into a PyTorch DataLoader and show it.",
    "browse": "Look at random nuclei of a dataset in a web browser.",
    "zoom": "Make panoramas of stitched images and masks to walk through.",
}


def main() -> None:
    """Run `nucleusnet VERB ...`; exit 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    verbs = {entry.name: entry for entry in entry_points(group="nucleusnet.commands")}
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] in verbs:
        run_verb(f"nucleusnet {arguments[0]}", verbs[arguments[0]].load, arguments[1:])
    elif arguments[0] == "--version":
        tell(version("nucleusnet"))
    elif arguments[0] in ("--help", "-h"):
        tell(overview(list(verbs)))
    else:
        leave(2, f"unknown command {arguments[0]!r}; expected one of: {', '.join(sorted(verbs))}.")


def tell(text: str) -> None:
    """Print a text to whoever reads it."""
    with output_delivered():
        print(text)


def overview(verbs: list[str]) -> str:
    """Return the text of `nucleusnet --help`, without importing any verb."""
    known = [name for name in SUMMARIES if name in verbs]
    lines = [f"  {name:<16}{SUMMARIES.get(name, '')}" for name in [*known, *sorted(set(verbs) - set(known))]]
    head = "Build, publish and stream single-nucleus datasets.\n\nUsage: nucleusnet COMMAND [OPTIONS]\n"
    tail = "Every command explains itself, with an example:\n  nucleusnet build --help"
    return "\n".join([head, "Commands:", *lines, "", tail])


if __name__ == "__main__":
    main()
