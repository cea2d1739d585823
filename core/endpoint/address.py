"""Where a server is, and the key that it asks for."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ..errors import UsageError


def base_url(url: str) -> str:
    """The address below which `/chat/completions` lies.

    Args:
        url: What the user gave; without a path, `/v1` is meant.

    Raises:
        UsageError: It is no http address, or holds a user name or a query, which may be secrets.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UsageError("the server's address is not valid; write it as http://localhost:8000/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{url}' is no address of a server; write it as http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError("a server's address holds no user name and no query; a key belongs into the environment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "") + path


def read_key(variable: str, *, required: bool) -> str | None:
    """The key in an environment variable, or None where there is none.

    Args:
        variable: Its name.
        required: The user named it, so it must hold a key.

    Raises:
        UsageError: It holds none, or something else.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        if required:
            raise UsageError(f"the environment variable {variable} is not set; it must hold the server's key")
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the environment variable {variable} holds no key: a key is one word of plain ASCII")
    return key
