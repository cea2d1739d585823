"""Opening backends and strategies by their names in the catalog."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING

from ..catalog import BACKENDS, STRATEGIES, get
from ..errors import UsageError, require_extra
from ..models.names import check_adapter, check_model_name
from ..models.options import LoadOptions, ServerOptions
from .backend import Backend
from .run import SampleOptions, Sampler
from .strategies import Strategy, StrategyOptions

if TYPE_CHECKING:
    from ..endpoint.client import Endpoint

_SHOWN_NAMES = 20
# Options of every strategy; the others belong to the strategies that take them.
_COMMON = frozenset({"samples", "seed", "adapter"})


def strategy_kind(name: str) -> type[Strategy]:
    """The class of the strategy of this name.

    Raises:
        UsageError: No such strategy.
    """
    kind: type[Strategy] = get("strategy", STRATEGIES, name).load()
    return kind


def open_strategy(name: str, options: StrategyOptions) -> Strategy:
    """The strategy of this name.

    Raises:
        UsageError: No such strategy, or options that do not fit it.
    """
    kind = strategy_kind(name)
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
    """The model in this process; warns once where its tokenizer has no chat template."""
    if options.server is not None:
        raise UsageError("--endpoint names a server, and --backend transformers draws in this process: leave one out")
    check_model_name("model", model)
    if options.adapter is not None:
        check_adapter(options.adapter)
    require_extra("torch", "models")
    from ..models.language import load
    from .local import LocalBackend

    language_model = load(model, options, announce)
    if language_model.tokenizer.chat_template is None:
        warnings.warn(
            f"the tokenizer of {model} has no chat template: prompts are given as plain text, the contents of a chat "
            "joined by blank lines; a model of instructions answers its own format better",
            stacklevel=2,
        )
    return LocalBackend(language_model)


def endpoint_backend(model: str, options: LoadOptions, announce: Callable[[str], None]) -> Backend:
    """The model behind a server; without a name, the only one that the server has.

    Raises:
        UsageError: No server, an option of a model in this process, or not exactly one model to take.
        EndpointError: The server cannot be asked for its models.
    """
    if options.server is None:
        raise UsageError("--backend endpoint needs --endpoint URL")
    for field in fields(options):
        if field.name != "server" and getattr(options, field.name) != field.default:
            flag = "--4bit" if field.name == "four_bit" else f"--{field.name.replace('_', '-')}"
            raise UsageError(f"{flag} is for a model in this process, and --endpoint has none: leave it out")
    from .endpoint import EndpointBackend

    said = options.server
    if not model:
        model = only_model(said)
        announce(f"model {model}")
    return EndpointBackend(_asked(said), model, plain=said.plain, skip=said.skip)


def _asked(said: ServerOptions) -> Endpoint:
    from ..endpoint.client import Endpoint

    return Endpoint(
        said.url,
        key_env=said.key_env,
        tries=said.tries,
        timeout=said.timeout,
        at_once=said.at_once,
        per_minute=said.per_minute,
    )


def only_model(said: ServerOptions) -> str:
    """The name of the only model that a server has.

    Raises:
        UsageError: It has none, or several.
        EndpointError: It cannot be asked.
    """
    server = _asked(said)
    names = server.models()
    if len(names) != 1:
        shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
        has = f"has {len(names)} models: {shown}" if names else "names no model"
        raise UsageError(f"{server.url} {has}; choose one with --model NAME")
    return names[0]


def echo_backend(model: str, options: LoadOptions, announce: Callable[[str], None]) -> Backend:
    """The seeded fake model; the model's name and options play no part."""
    from .echo import EchoBackend

    return EchoBackend()
