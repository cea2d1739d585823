"""The options of `train` that say who hears of a run, and what becomes of the adapter."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_option = partial(typer.Option, rich_help_panel="Where it is told and kept", show_default=False)

ReportTo = Annotated[
    str | None,
    _option(
        "--report-to",
        help="Trackers that hear of each step: tensorboard, wandb, trackio, mlflow, by commas (none).",
        metavar="NAME,...",
    ),
]
RunName = Annotated[
    str | None,
    _option("--run-name", help="What the run is called there (the name of the output folder)."),
]
MergeTo = Annotated[
    Path | None,
    _option("--merge", help="Folder for the model with the adapter folded in, after training.", metavar="DIR"),
]
PushToHub = Annotated[
    str | None,
    _option("--push-to-hub", help="Upload adapter, card and log to this model repository.", metavar="REPO"),
]
Private = Annotated[bool, _option("--private", help="Make the repository for its owner alone, if it is new.")]
