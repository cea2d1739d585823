"""From the scores of a batch's tokens to one loss a pair, and what the log shows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from . import losses
from .head import TokenScores
from .settings import FullSettings

Tensor = torch.Tensor


class Share(NamedTuple):
    """What an optimiser step is divided by.

    Attributes:
        pairs: Its pairs.
        tokens: Its tokens that the likelihood runs over.
    """

    pairs: Tensor
    tokens: Tensor


@dataclass(frozen=True, slots=True)
class Scored:
    """Log-probabilities of the texts of a batch.

    Attributes:
        whole: [2 * pairs], summed over all tokens of a completion, the chosen first; [pairs] of texts alone.
        head: The same over as many tokens as the shorter of the pair has.
        tokens: Tokens of the completion.
        prompt: [pairs], summed over the prompts; 0 unless they are learnt.
        prompt_tokens: [pairs], tokens of the prompts that are learnt.
        scores: The tokens themselves.
        texts: [tokens], the text of each.
    """

    whole: Tensor
    head: Tensor
    tokens: Tensor
    prompt: Tensor
    prompt_tokens: Tensor
    scores: TokenScores
    texts: Tensor

    def by_pair(self) -> Tensor:
        """[pairs, 4]: whole and head of the chosen, whole and head of the rejected."""
        return torch.cat(
            [torch.stack(half, -1) for half in zip(self.whole.chunk(2), self.head.chunk(2), strict=True)], -1
        )


def scored(scores: TokenScores, texts: Tensor, places: Tensor, pairs: int, sides: int) -> Scored:
    """Sums over texts.

    Args:
        scores: One value a learnt token.
        texts: [tokens], the text of each token, as `batches` numbers them.
        places: [tokens], its place there.
        pairs: Pairs in the batch.
        sides: 2, or 1 for texts alone.
    """
    count = 3 * pairs
    whole = losses.summed(scores.logps, texts, count)
    tokens = torch.bincount(texts, minlength=count)
    shorter = torch.minimum(*tokens[: 2 * pairs].chunk(2)) if sides == 2 else tokens[:pairs]
    limits = torch.cat([shorter.repeat(sides), tokens[sides * pairs :]])
    head = losses.summed_head(scores.logps, texts, places, limits)
    kept, prompts = slice(sides * pairs), slice(2 * pairs, None)
    return Scored(whole[kept], head[kept], tokens[kept], whole[prompts], tokens[prompts], scores, texts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an objective makes of a batch: [pairs] each.

    Attributes:
        loss: What is minimised.
        unweighted: The same with every weight 1.
        measured: What the log shows.
    """

    loss: Tensor
    unweighted: Tensor
    measured: dict[str, Tensor]


Objective = Callable[[Scored, dict[str, Tensor], Share, FullSettings], Outcome]


def _likelihood(scored: Scored, share: Share, pairs: int) -> Tensor:
    """Negative log-likelihood of each chosen text, scaled so that the mean over a step's pairs is its token mean."""
    return -(scored.whole[:pairs] + scored.prompt) * (share.pairs / share.tokens)


def preference(scored: Scored, batch: dict[str, Tensor], share: Share, settings: FullSettings) -> Outcome:
    """DPO and DDPO, with the reference's log-probabilities in the batch."""
    weight = batch["weight"] if settings.weighted else None
    policy, reference = scored.by_pair(), batch["reference"]
    if settings.ld_alpha is None:
        (up, down), (ref_up, ref_down) = policy[:, [0, 2]].T, reference[:, [0, 2]].T
    else:
        blended = (
            losses.length_desensitized(x[:, [0, 2]], x[:, [1, 3]], settings.ld_alpha) for x in (policy, reference)
        )
        (up, down), (ref_up, ref_down) = (x.T for x in blended)
    ratio_up, ratio_down = up - ref_up, down - ref_down
    if settings.loss == "sigmoid_norm":
        up_tokens, down_tokens = scored.tokens.chunk(2)
        ratio_up, ratio_down = ratio_up / up_tokens, ratio_down / down_tokens
    assert settings.beta is not None
    margin = losses.reward_margin(ratio_up, ratio_down, settings.beta)
    loss, plain = losses.dpo(margin, weight, settings.weight_form or "outer"), losses.dpo(margin)
    measured = _rewards(settings.beta * ratio_up, settings.beta * ratio_down)
    measured |= {"logps/chosen": up, "logps/rejected": down, "log_ratio": (up - ref_up + down - ref_down) / 2}
    measured |= _lengths(scored)
    if settings.sft_weight:
        nll = _likelihood(scored, share, len(up))
        added = settings.sft_weight * nll
        loss, plain = loss + (added if weight is None else weight * added), plain + added
        measured["nll_loss"] = nll
    return Outcome(loss, plain, measured)


def odds_ratio(scored: Scored, batch: dict[str, Tensor], share: Share, settings: FullSettings) -> Outcome:
    """ORPO and DORPO, without a reference."""
    weight = batch["weight"] if settings.weighted else None
    up, down = (scored.whole / scored.tokens).chunk(2)
    nll, odds, scale = _likelihood(scored, share, len(up)), losses.log_odds_ratio(up, down), settings.odds_weight
    assert scale is not None
    measured = _rewards(scale * up, scale * down)
    measured |= {"logps/chosen": up, "logps/rejected": down, "nll_loss": nll, **_lengths(scored)}
    measured |= {"log_odds_ratio": F.logsigmoid(odds), "log_odds_chosen": odds}  # TRL's names.
    loss = losses.orpo(nll, odds, scale, weight, settings.weight_form or "outer")
    return Outcome(loss, losses.orpo(nll, odds, scale), measured)


def likelihood(scored: Scored, batch: dict[str, Tensor], share: Share, settings: FullSettings) -> Outcome:
    """Fine-tuning on texts alone, their labels smoothed where the batch says by how much."""
    pairs = len(scored.whole)
    nll = _likelihood(scored, share, pairs)
    measured = {"nll_loss": nll, "logps/chosen": scored.whole / scored.tokens}
    if scored.scores.spread is None:
        return Outcome(nll, nll, measured)
    owner = scored.texts % pairs  # Prompts count for their text.
    tokens = losses.smoothed(scored.scores.logps, scored.scores.spread, batch["smoothing"][owner])
    loss = losses.summed(tokens, owner, pairs) * (share.pairs / share.tokens)
    return Outcome(loss, nll, measured | {"smoothing": batch["smoothing"]})


def _rewards(chosen: Tensor, rejected: Tensor) -> dict[str, Tensor]:
    return {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": (chosen > rejected).float(),
    }


def _lengths(scored: Scored) -> dict[str, Tensor]:
    chosen, rejected = scored.tokens.chunk(2)
    return {"tokens/chosen": chosen, "tokens/rejected": rejected}


OBJECTIVES: dict[str, Objective] = {"dpo": preference, "orpo": odds_ratio, "sft": likelihood}
