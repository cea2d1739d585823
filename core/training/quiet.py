"""The libraries' own bars and notices, kept off the streams. Free of torch until it is used."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' bars and notices off the streams; ours say what a user can act on."""
    for name in ("trl", "peft", "accelerate", "datasets", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import datasets

    from ..models.language import quiet_libraries

    quiet_libraries()
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        # Names that transformers is about to change, used by TRL.
        warnings.filterwarnings("ignore", category=FutureWarning, module="(transformers|trl|peft)")
        yield
