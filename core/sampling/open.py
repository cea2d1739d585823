"""Opening backends and strategies by their names in the catalog."""

from __future__ import annotations

from collections.abc import Callable

from ..catalog import BACKENDS, STRATEGIES, get
from ..errors import require_extra
from ..models.names import check_adapter, check_model_name
from ..models.options import LoadOptions
from .backend import Backend
from .strategies import Strategy, StrategyOptions


def open_strategy(name: str, options: StrategyOptions) -> Strategy:
    """The strategy of this name.

    Raises:
        UsageError: No such strategy, or options that do not fit it.
    """
    strategy: Strategy = get("strategy", STRATEGIES, name).load()(options)
    return strategy


def open_backend(name: str, model: str, options: LoadOptions, announce: Callable[[str], None]) -> Backend:
    """The backend of this name, with its model loaded.

    Raises:
        DivtoolError: The model cannot be loaded.
    """
    backend: Backend = get("backend", BACKENDS, name).load()(model, options, announce)
    return backend


def transformers_backend(model: str, options: LoadOptions, announce: Callable[[str], None]) -> Backend:
    """The model in this process."""
    check_model_name("model", model)
    if options.adapter is not None:
        check_adapter(options.adapter)
    require_extra("torch", "models")
    from ..models.language import load
    from .local import LocalBackend

    return LocalBackend(load(model, options, announce))


def echo_backend(model: str, options: LoadOptions, announce: Callable[[str], None]) -> Backend:
    """The seeded fake model; the model's name and options play no part."""
    from .echo import EchoBackend

    return EchoBackend()
