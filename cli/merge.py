"""`divtool merge`: a model and its adapter to one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from . import console
from . import options as o


def merge(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the merged model.", metavar="DIR", show_default=False),
    ] = None,
    model: o.Model = "smollm2-135m",
    adapter: o.Adapter = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option("--dtype", help="Number format; auto: that of the model's files.", rich_help_panel=o.MODEL),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option("--device", help="Where the sums are done: cpu, cuda.", rich_help_panel=o.MODEL, metavar="NAME"),
    ] = "cpu",
    four_bit: Annotated[
        bool | None,
        typer.Option(
            "--4bit/--no-4bit",
            help="Fold into weights that were rounded to NF4 and written out in full (as the adapter was trained).",
            rich_help_panel=o.MODEL,
            show_default=False,
        ),
    ] = None,
    trust_remote_code: o.TrustRemoteCode = False,
) -> None:
    """Fold a LoRA adapter into its model, for servers and converters that take no adapter.

    Writes a plain transformers folder: weights as safetensors, tokenizer, chat template, generation settings.
    """
    from ..core.models.merging import Merge
    from ..core.models.merging import merge as merged

    if adapter is None:
        raise UsageError("merge needs --adapter DIR, the adapter to fold in")
    if output is None:
        raise UsageError("merge needs -o DIR, the folder for the merged model")
    merged(
        Merge(
            model=model,
            adapter=adapter,
            folder=output,
            dtype=dtype,
            device=device,
            four_bit=four_bit,
            trust_remote_code=trust_remote_code,
        ),
        console.note,
    )
