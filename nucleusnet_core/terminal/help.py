"""The help of a verb: options in groups, in the width of the terminal."""

from typing import Any

from typer.core import TyperCommand

from .options import GROUPS

_OTHERS = "Options"


class GroupedCommand(TyperCommand):
    """A command whose help shows its options under the headings that `rich_help_panel` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group of options in the order of `GROUPS`, then the others."""
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in ("Arguments", *GROUPS, _OTHERS)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                argument = parameter.param_type_name == "argument"
                heading = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or _OTHERS
                groups[heading].append(record)
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
