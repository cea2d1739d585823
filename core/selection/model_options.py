"""What a user can set for the methods that run a language model."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.options import LoadOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Of methods that run a language model.

    Attributes:
        model: Alias, folder, `.gguf` file or hub id.
        adapter: Its adapter.
        dtype: Its number format.
        device: Where it runs.
        four_bit: Load it in 4 bits.
        trust_remote_code: As in `LoadOptions`.
    """

    model: str = "smollm2-135m"
    adapter: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    four_bit: bool = False
    trust_remote_code: bool = False

    @property
    def loading(self) -> LoadOptions:
        """How to load the model."""
        return LoadOptions(
            adapter=self.adapter,
            dtype=self.dtype,
            device=self.device,
            four_bit=self.four_bit,
            trust_remote_code=self.trust_remote_code,
        )
