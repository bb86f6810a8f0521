"""Runs one verb of the command line: parses its arguments, and turns our own errors into a message and an exit code."""

import contextlib
import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ..errors import DatasetNotFoundError, NucleusNetError, SelectionError, UsageError
from .extras import how_to_install
from .interrupts import INTERRUPTED
from .silence import silence_libraries

_EXAMPLE = "Example: "
_WRONG_USAGE = (UsageError, SelectionError, DatasetNotFoundError)
"""What was asked for cannot be: exit code 2. Every other error of ours is a failure: 1."""


def run_verb(name: str, load: Callable[[], Callable[..., Any]], arguments: list[str]) -> None:
    """Parse `arguments` for one verb with typer and run it; its help is its docstring, with the example last.

    Args:
        name: how the program is called, for its messages.
        load: imports the verb.
        arguments: of the command line, without the program's name.
    """
    if "" in arguments:
        leave(2, 'an argument is empty, as "$FOLDER" is when that variable is not set; give it a value.')
    import typer  # noqa: PLC0415 - `nucleusnet --help` stays instant

    from .help import GroupedCommand  # noqa: PLC0415

    if isinstance(sys.stdout, io.TextIOWrapper):  # on Windows, a file or pipe takes no letters of other languages
        sys.stdout.reconfigure(errors="backslashreplace")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    silence_libraries()
    verb = loaded(load)
    text, mark, example = inspect.cleandoc(verb.__doc__ or "").partition(_EXAMPLE)
    # \b keeps the example in one line, as it is copied.
    app.command(
        cls=GroupedCommand,
        help=text,
        epilog=f"\b\n{mark}{example}",
        context_settings={"help_option_names": ["-h", "--help"]},
    )(with_exit_codes(verb))
    with output_delivered():
        app(args=arguments, prog_name=name)


def loaded(load: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Import a verb, or end the process where a package that it needs is not installed."""
    try:
        return load()
    except ModuleNotFoundError as error:
        if (message := how_to_install(error)) is None:
            raise
        leave(2, message)


def print_text(text: str) -> None:
    """Print a text to whoever reads it."""
    with output_delivered():
        print(text)


@contextlib.contextmanager
def output_delivered() -> Iterator[None]:
    """See that what is printed arrives, or end the process: in silence where whoever read it has gone (`| head`).

    What is left to print is dropped then, else the interpreter would try again when it ends, and complain.
    """
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        drop_output()
        raise SystemExit(1) from None
    except OSError as error:
        drop_output()
        leave(1, f"the output cannot be written ({error.strerror or error}); check where it goes.")


def drop_output() -> None:
    """Let what was printed and did not arrive, and all that follows, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def with_exit_codes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with our own errors as one message and an exit code instead of a traceback."""

    @functools.wraps(function)
    def verb(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except _WRONG_USAGE as error:
            leave(2, str(error))
        except NucleusNetError as error:
            leave(1, str(error))
        except ModuleNotFoundError as error:
            message = how_to_install(error)
            if message is None:
                raise
            leave(2, message)
        except BrokenPipeError:
            raise  # whoever read the output has gone; `output_delivered` ends in silence
        except OSError as error:
            leave(1, system_refusal(error))
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None  # `ending_at_interrupt` says it, also where typer was interrupted

    return verb


def system_refusal(error: OSError) -> str:
    """Say what the operating system refused, where no part of ours has foreseen it."""
    where = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None) or "a file"
    return (
        f"{where} cannot be read or written ({error.strerror or error}); check it, its permissions and the free space, "
        "close programs that hold it open, and call again."
    )


def leave(code: int, message: str) -> NoReturn:
    """Print one message to stderr and end the process."""
    print(f"nucleusnet: {message}", file=sys.stderr)
    raise SystemExit(code)
