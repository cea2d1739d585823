"""Subword tokenizers of language models as word tokenizers of metrics."""

from __future__ import annotations

from functools import cache

from ..errors import DivtoolError, require_extra
from ..models.names import check_model_name
from .text import Tokenizer


@cache
def subword_tokenizer(name: str) -> Tokenizer:
    """Text to the subwords of a model's tokenizer, without its special tokens.

    Args:
        name: An alias, a folder, a ``.gguf`` file or a hub id.

    Raises:
        DivtoolError: No such tokenizer, or the extra is not installed.
    """
    check_model_name("tokenizer", name)
    require_extra("transformers", "models")
    from ..models.language import load_tokenizer, quiet_libraries, resolve

    quiet_libraries()
    try:
        loaded = load_tokenizer(resolve(name))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise DivtoolError(f"tokenizer 'model:{name}' cannot be loaded ({reason})") from None

    def subwords(text: str) -> list[str]:
        # The library takes no lone surrogates.
        clean = text.encode("utf-8", "replace").decode()
        found: list[str] = loaded.tokenize(clean)
        return found

    return subwords
