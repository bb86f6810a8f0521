"""Lets `load_dataset("nucleusnet")` find a dataset from any directory.

`datasets` runs no loading scripts and has no plugins, and the Hub has no datasets without a namespace. But everything
in `datasets` that takes a name goes through one function, `datasets.load.dataset_module_factory`. That one is wrapped;
nothing changes for any other name.

Source: datasets 5.2, load.py (`dataset_module_factory`, `CachedDatasetModuleFactory`) and inspect.py.
"""

import dataclasses
import functools
from typing import Any

from .contract import BARE_NAME
from .errors import DatasetNotFoundError
from .location import bare_name_target

_MARK = "_nucleusnet_bare_name"


def register() -> None:
    """Wrap the function that finds datasets by name, wherever `datasets` holds it; a second call changes nothing."""
    import datasets.inspect  # noqa: PLC0415 - importing nucleusnet_core alone imports no datasets
    import datasets.load  # noqa: PLC0415

    for module in (datasets.load, datasets.inspect):
        if not hasattr(module.dataset_module_factory, _MARK):
            module.dataset_module_factory = _wrapped(module.dataset_module_factory)


def _wrapped(factory: Any) -> Any:
    """Return `factory` with the bare name resolved first."""

    @functools.wraps(factory)
    def dataset_module_factory(path: str, *arguments: Any, **options: Any) -> Any:
        if path != BARE_NAME:
            return factory(path, *arguments, **options)
        try:
            target = bare_name_target()
        except DatasetNotFoundError as error:
            return _cached_module(options.get("cache_dir"), error)
        try:
            return factory(target, *arguments, **options)
        except ConnectionError as error:
            return _cached_module(options.get("cache_dir"), error)

    setattr(dataset_module_factory, _MARK, True)
    return dataset_module_factory


def _cached_module(cache_dir: str | None, error: Exception) -> Any:
    """Return what `nucleusnet_dataset.NucleusNet` has prepared in the cache of `datasets`, or raise `error`."""
    from datasets.load import BuilderConfigsParameters, CachedDatasetModuleFactory  # noqa: PLC0415

    try:
        module = CachedDatasetModuleFactory(BARE_NAME, cache_dir=cache_dir).get_module()
    except FileNotFoundError:
        raise error from None
    # Without a default, several prepared configs would be an error.
    default = BuilderConfigsParameters(default_config_name="default")
    return dataclasses.replace(module, builder_configs_parameters=default)
