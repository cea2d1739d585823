"""The words that an encoder knows as a whole: single pieces of its WordPiece vocabulary."""

from __future__ import annotations

from ..errors import DivtoolError
from .embedded import EMBEDDERS
from .language import quiet_libraries

_LEAST_LETTERS = 3


def whole_words(embedder: str) -> frozenset[str]:
    """Alphabetic entries of an encoder's vocabulary that are no continuation pieces, of 3 letters or more, lower case.

    Args:
        embedder: An alias, a folder or a hub id.

    Raises:
        DivtoolError: Its tokenizer cannot be loaded, or does not mark continuation pieces by `##`.
    """
    quiet_libraries()
    from transformers import AutoTokenizer

    alias = EMBEDDERS.get(embedder)
    source = embedder if alias is None else str(alias.packaged() or alias.hub_id)
    try:
        entries = AutoTokenizer.from_pretrained(source).get_vocab()
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DivtoolError(f"the vocabulary of embedder '{embedder}' cannot be loaded ({reason})") from error
    if not any(entry.startswith("##") for entry in entries):
        raise DivtoolError(
            f"embedder '{embedder}' has no WordPiece vocabulary, so single words cannot be told from pieces; "
            "use minilm, or a file of word vectors"
        )
    return frozenset(
        entry.lower() for entry in entries if entry.isascii() and entry.isalpha() and len(entry) >= _LEAST_LETTERS
    )
