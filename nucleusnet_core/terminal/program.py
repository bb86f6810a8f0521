"""The console script `nucleusnet`: finds a verb among the entry points and imports only that one."""

import os
import signal
import sys

SUMMARIES = {
    "simulate": "Make stitched images and masks to try everything on.",
    "segment": "Make masks of stitched images with cellpose; score masks against true ones.",
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
"""What each verb does, in the order in which a study meets them; entry points add others."""


def run() -> None:
    """Run `main` as a program, which no interrupt ends with a traceback from here on."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is for work in the background
        signal.signal(signal.SIGINT, _end_at_once)
    from .interrupts import ignore_interrupts  # noqa: PLC0415 - that an interrupt may meet: it takes a while

    try:
        main()
    finally:
        ignore_interrupts()


def _end_at_once(_signal: int, _frame: object) -> None:
    """End while nothing but imports has been done."""
    os.write(2, b"nucleusnet: interrupted.\n")
    os._exit(130)


def main() -> None:
    """Run `nucleusnet VERB ...`; exit 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    from .interrupts import ending_at_interrupt  # noqa: PLC0415 - from here on an interrupt is one line

    with ending_at_interrupt():
        from importlib.metadata import entry_points, version  # noqa: PLC0415

        from .command import leave, print_text, run_verb  # noqa: PLC0415

        verbs = {entry.name: entry for entry in entry_points(group="nucleusnet.commands")}
        arguments = sys.argv[1:] or ["--help"]
        if arguments[0] in verbs:
            run_verb(f"nucleusnet {arguments[0]}", verbs[arguments[0]].load, arguments[1:])
        elif arguments[0] == "--version":
            print_text(version("nucleusnet"))
        elif arguments[0] in ("--help", "-h"):
            print_text(overview(list(verbs)))
        else:
            leave(2, unknown(arguments[0], list(verbs)))


def overview(verbs: list[str]) -> str:
    """Return the text of `nucleusnet --help`, without importing any verb."""
    from .wording import paragraphs  # noqa: PLC0415 - as all of ours, behind the interrupt's handler

    known = [name for name in SUMMARIES if name in verbs]
    table = [(name, SUMMARIES.get(name, "")) for name in [*known, *sorted(set(verbs) - set(known))]]
    head = "Build, publish and stream single-nucleus datasets.\n\nUsage: nucleusnet COMMAND [OPTIONS]\n"
    tail = "Every command explains itself, with an example:\n  nucleusnet build --help"
    return "\n".join([head, "Commands:", paragraphs(table), "", tail])


def unknown(verb: str, verbs: list[str]) -> str:
    """Say that there is no such verb, and which one may be meant."""
    from difflib import get_close_matches  # noqa: PLC0415

    close = get_close_matches(verb, verbs, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "`nucleusnet --help` lists the commands."
    return f"there is no command {verb!r}. {hint}"


if __name__ == "__main__":
    run()
