"""An adapter and its card to the Hugging Face hub. Free of the client until it is used."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DivtoolError, UsageError, reason, require_extra
from ..provenance import portable

# What a run leaves in its folder and keeps to itself.
_OWN = ("checkpoints", "runs")
_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Upload:
    """Where an adapter goes.

    Attributes:
        repo: OWNER/NAME on the hub, or a NAME of the token's owner.
        private: Make the repository for its owner alone; one that is there already is left as it is.
    """

    repo: str
    private: bool = False

    def check_name(self) -> None:
        """Raise `UsageError` unless a model on the hub can have this name."""
        require_extra("huggingface_hub", "train")
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        try:
            validate_repo_id(self.repo)
        except HFValidationError as error:
            raise UsageError(f"--push-to-hub {self.repo}: {reason(error)}") from None

    def check(self) -> None:
        """Refuse a name or a token that the hub would not take, before the training.

        Raises:
            UsageError: Nothing on the hub can be called so.
            DivtoolError: There is no token, the hub does not know it, or it may not write there.
        """
        self.check_name()
        from huggingface_hub import HfApi, get_token

        if get_token() is None:
            raise DivtoolError(f"--push-to-hub {self.repo}: no token of the hub; run hf auth login, or set HF_TOKEN")
        try:
            known = HfApi().whoami()
        except Exception as error:
            raise DivtoolError(f"--push-to-hub {self.repo}: {reason(error)}") from error
        self._check_rights(known)

    def _check_rights(self, known: dict[str, Any]) -> None:
        owner = self.repo.partition("/")[0] if "/" in self.repo else known["name"]
        places = [known["name"], *(place["name"] for place in known.get("orgs", ()))]
        if owner not in places:
            raise DivtoolError(f"--push-to-hub {self.repo}: the token writes to {', '.join(places)}, not to {owner}")
        if known.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise DivtoolError(f"--push-to-hub {self.repo}: the token may only read; make one that may write")

    def push(self, folder: Path, note: Callable[[str], None]) -> None:
        """Upload an adapter with its card and log, in one commit.

        Raises:
            DivtoolError: The hub could not be reached, or did not take it; the folder is as it was.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        disable_progress_bars()
        try:
            api = HfApi()
            repo = api.create_repo(self.repo, private=self.private or None, exist_ok=True).repo_id
            done = api.create_commit(repo, _files(folder), commit_message="Upload the adapter")
        except Exception as error:
            later = ["hf", "upload", self.repo, str(folder), "."]
            later += [word for name in _OWN for word in ("--exclude", f"{name}/*")]
            later += ["--private"] if self.private else []
            raise DivtoolError(
                f"the adapter is whole in {folder}, and was not pushed to {self.repo} ({reason(error)}); "
                f"later: {shlex.join(later)}"
            ) from error
        note(f"pushed to {done.repo_url}")


def _files(folder: Path) -> list[Any]:
    """The files to upload; no path of this machine is among them."""
    from huggingface_hub import CommitOperationAdd

    files = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or parts[0] in _OWN or any(part.startswith(".") for part in parts):
            continue
        content = _config(path) if path.name == _CONFIG else str(path)
        files.append(CommitOperationAdd(path_in_repo="/".join(parts), path_or_fileobj=content))
    return files


def _config(path: Path) -> bytes:
    settings = json.loads(path.read_bytes())
    settings["base_model_name_or_path"] = portable(settings["base_model_name_or_path"] or "") or None
    return json.dumps(settings, indent=2, sort_keys=True).encode()
