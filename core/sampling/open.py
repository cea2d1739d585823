"""Opening backends and strategies by their names in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from importlib import import_module

from ..catalog import BACKENDS, STRATEGIES, get
from ..errors import UsageError, require_extra
from ..models.names import check_adapter, check_model_name
from ..models.options import LoadOptions
from .backend import Backend
from .run import SampleOptions, Sampler
from .strategies import Strategy, StrategyOptions

# Options of every strategy; the others belong to the strategies that take them.
_COMMON = frozenset({"samples", "seed", "adapter"})


def open_strategy(name: str, options: StrategyOptions) -> Strategy:
    """The strategy of this name.

    Raises:
        UsageError: No such strategy, or options that do not fit it.
    """
    kind: type[Strategy] = get("strategy", STRATEGIES, name).load()
    for field in fields(options):
        if field.name in _COMMON | kind.takes or getattr(options, field.name) == field.default:
            continue
        takers = [other for other, entry in STRATEGIES.items() if field.name in entry.load().takes]
        flag = "--" + ("no-" if field.default is True else "") + field.name.replace("_", "-")
        raise UsageError(f"{flag} is no option of --strategy {name}; it belongs to {', '.join(takers)}")
    return kind(options)


def open_sampler(
    backend: Backend, strategy: Strategy, options: SampleOptions, on_tokens: Callable[[int], None]
) -> Sampler:
    """What draws the chats of a strategy."""
    module, _, attribute = strategy.runner.partition(":")
    kind: type[Sampler] = getattr(import_module(f"..{module}", __package__), attribute)
    return kind(backend, strategy, options, on_tokens)


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
