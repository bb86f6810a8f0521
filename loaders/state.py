"""The saved position of a training stream: a small dict of plain JSON values, refused where it does not fit."""

from collections.abc import Iterator, Mapping
from typing import Any

from nucleusnet_core.errors import StateError

from .checks import MAX_EPOCH

STATE_FORMAT = 1
"""Of a state; another order of batches is another format."""


def check_state(state: Mapping[str, Any], identity: Mapping[str, Any], *, batches: int) -> None:
    """Refuse a state that was not saved by a loader like this one.

    Args:
        state: what was saved.
        identity: what it has to agree with.
        batches: of a whole epoch.

    Raises:
        StateError: it is of another dataset, version, split, batch size, ...; says which.
    """
    if not isinstance(state, Mapping):
        raise StateError(f"The state is {state!r}; give what state_dict() returned.")
    wrong = list(_differences(state, identity)) or list(_impossible(state, batches))
    if wrong:
        raise StateError(
            f"The state does not fit this loader: {'; '.join(wrong)}. Make the loader with the options that the saved "
            "one had."
        )


def _differences(state: Mapping[str, Any], identity: Mapping[str, Any]) -> Iterator[str]:
    for name, own in identity.items():
        if state.get(name) != own:
            yield f"{name} is {state.get(name)!r} in the state and {own!r} in the loader"


def _impossible(state: Mapping[str, Any], batches: int) -> Iterator[str]:
    for name, most in (("epoch", MAX_EPOCH), ("batches", batches)):
        if type(state.get(name)) is not int or not 0 <= state[name] <= most:
            yield f"{name} is {state.get(name)!r} in the state and can be 0 to {most:,}"
