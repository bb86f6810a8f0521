"""Runs one verb of the command line: parses its arguments, and turns our own errors into a message and an exit code."""

import functools
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import NucleusNetError, UsageError


def run_verb(name: str, load: Callable[[], Callable[..., Any]], arguments: list[str]) -> None:
    """Parse `arguments` for one verb with typer and run it.

    Args:
        name: how the program is called, for its messages.
        load: imports the verb.
        arguments: of the command line, without the program's name.
    """
    import typer  # noqa: PLC0415 - `nucleusnet --help` stays instant

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(with_exit_codes(load()))
    app(args=arguments, prog_name=name)


def with_exit_codes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with our own errors as one message and an exit code instead of a traceback."""

    @functools.wraps(function)
    def verb(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except UsageError as error:
            leave(2, str(error))
        except NucleusNetError as error:
            leave(1, str(error))
        except KeyboardInterrupt:
            leave(130, "interrupted.")

    return verb


def leave(code: int, message: str) -> NoReturn:
    """Print one message to stderr and end the process."""
    print(f"nucleusnet: {message}", file=sys.stderr)
    raise SystemExit(code)
