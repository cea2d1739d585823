"""How to reach a judge, checked before anything heavy loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..models.embedded import cache_folder
from .templates import GENERAL, named

if TYPE_CHECKING:
    from .judge import Judge

_CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """A judge as the user named it.

    Attributes:
        url: The server.
        model: The model's name there.
        votes: Ratings a response.
        key_env: The environment variable with the key, or None for the usual one.
        max_calls: The most requests, or None.
    """

    url: str
    model: str
    votes: int = 1
    key_env: str | None = None
    max_calls: int | None = None

    def describe(self, criteria: str = GENERAL) -> str:
        """Model, template and criteria with their versions, and votes, for definitions of ratings."""
        return f"{self.model}, template {named('rate', criteria)}, mean of {self.votes}"


def judge_options(
    url: str | None, model: str | None, votes: int, key_env: str | None, max_calls: int | None
) -> JudgeOptions | None:
    """The options of a judge; None where no server is named.

    Raises:
        UsageError: A server without a model, or anything else of a judge without a server.
    """
    if (url is None) != (not model):
        raise UsageError("a judge needs both --judge URL and --judge-model NAME")
    if url is None or not model:
        unused = {"--judge-votes": votes != 1, "--judge-key-env": key_env, "--judge-max-calls": max_calls is not None}
        for option in (option for option, given in unused.items() if given):
            raise UsageError(f"{option} needs --judge URL and --judge-model NAME")
        return None
    return JudgeOptions(url=url, model=model, votes=votes, key_env=key_env, max_calls=max_calls)


def open_judge(options: JudgeOptions, warn: Callable[[str], None]) -> Judge:
    """A judge that remembers its answers in the user's cache folder.

    Args:
        options: How to reach it.
        warn: Hears when the cache cannot be used.

    Raises:
        DivtoolError: The address or key is not usable, or the extra is not installed.
    """
    from ..cache import BlobCache
    from ..endpoint.client import Endpoint
    from .judge import Judge

    client = Endpoint(options.url, key_env=options.key_env)
    cache = BlobCache(cache_folder() / "judge.sqlite", _CACHE_BYTES, warn)
    return Judge(client, options.model, votes=options.votes, cache=cache, max_calls=options.max_calls)
