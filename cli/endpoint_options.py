"""The options of a server that draws responses."""

from __future__ import annotations

from typing import Annotated

import typer

_SERVER = "A server"

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        help="OpenAI-compatible server that draws the responses; --model is its name there.",
        metavar="URL",
        rich_help_panel=_SERVER,
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        help="Environment variable that holds the server's key (OPENAI_API_KEY, if set).",
        metavar="VAR",
        rich_help_panel=_SERVER,
    ),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", min=1, help="Requests under way at a time (16).", rich_help_panel=_SERVER)
]
RequestsPerMinute = Annotated[
    float | None,
    typer.Option(
        "--requests-per-minute", help="Send no more; repeated tries count.", metavar="N", rich_help_panel=_SERVER
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", help="Seconds that an answer may take (600).", metavar="S", rich_help_panel=_SERVER),
]
Tries = Annotated[
    int | None,
    typer.Option("--tries", min=1, help="How often a request is sent at most (8).", rich_help_panel=_SERVER),
]
Completions = Annotated[
    bool,
    typer.Option(
        "--completions", help="Go on with the prompt as plain text, without a chat template.", rich_help_panel=_SERVER
    ),
]
