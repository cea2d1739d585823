"""The losses by hand, and the forms in which a group's rows can be run: all give the same numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.training.job import Tell
from divtool.core.training.possibility.lessons import Branch, Lesson, Row
from divtool.core.training.possibility.loss import FLOOR, log_rest, losses
from divtool.core.training.possibility.rows import PackedRow, packed_rows, row_chunks
from divtool.core.training.possibility.settings import FullPossibilitySettings, PossibilitySettings
from divtool.core.training.possibility.stepper import Losses, Stepper

END = 1


def full(**more: Any) -> FullPossibilitySettings:
    return PossibilitySettings(**more).filled(1000, "cpu")


def test_by_hand() -> None:
    p = torch.tensor([0.5, 0.25, 0.8, 0.1, 0.6, 0.3], dtype=torch.float64)
    wanted = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64)
    ce, ul = losses(p.log(), wanted, 1 - wanted, 3, 3)
    assert float(ce) == pytest.approx(0.7675284, abs=1e-6)
    assert float(ul) == pytest.approx(0.4594421, abs=1e-6)
    assert float(ce + 0.5 * ul) == pytest.approx(0.9972494, abs=1e-6)
    # In parts, as rows are run.
    parts = [losses(p[own].log(), wanted[own], 1 - wanted[own], 3, 3) for own in (slice(0, 2), slice(2, 6))]
    assert float(sum(part[0] + 0.5 * part[1] for part in parts)) == pytest.approx(0.9972494, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sure_tokens_have_a_finite_loss_and_gradient(dtype: torch.dtype) -> None:
    logprobs = torch.tensor([-1e-9, 0.0, -1e-3, -0.6931, -0.6932, -5.0, -90.0], dtype=dtype, requires_grad=True)
    found = log_rest(logprobs)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert logprobs.grad is not None
    assert torch.isfinite(logprobs.grad).all()
    assert found[0].item() == pytest.approx(math.log(FLOOR))
    exact = [math.log(-math.expm1(value)) for value in logprobs[2:6].tolist()]
    assert found[2:6].tolist() == pytest.approx(exact, rel=1e-5)
    ce, ul = losses(logprobs, torch.zeros(7, dtype=dtype), torch.zeros(7, dtype=dtype), 0, 0)
    assert (ce.item(), ul.item()) == (0.0, 0.0)


def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, initializer_range=0.3,
        )
    )  # fmt: skip


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=60, n_positions=64, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
            initializer_range=0.3,
        )
    )  # fmt: skip


def bloom() -> Any:
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=60, hidden_size=16, n_layer=2, n_head=2, initializer_range=0.3))


def made(kind: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


ANSWERS = [(5, 6, 7, END), (5, 6, 9, 8, END), (5, 9), (12, END)]


def lesson(name: str, k: int = 4, *, arm: str = "possibility", first: int = 20) -> Lesson:
    """A group of made tokens whose responses share how they begin; every second token is selected."""
    rows = []
    for own in range(k):
        branches = [
            Branch(ids, other == own, () if other == own else tuple(range(0, len(ids) - 1, 2)))
            for other, ids in enumerate(ANSWERS[:k])
        ]
        rows.append(Row([2, first, 30 + own, *([3] * own)], tuple(branches)))
    if arm == "one-to-many":
        rows = [Row([2, first], tuple(Branch(ids, True) for ids in ANSWERS[:k]))]
    return Lesson(name, tuple(rows))


def naive(model: Any, lessons: list[Lesson], weight: float) -> tuple[float, float, Any]:
    """Both losses and the gradient from one plain forward a prompt and response, straight from the formula."""
    model.zero_grad()
    total_ce = total_ul = torch.zeros(())
    for each in lessons:
        ce = ul = torch.zeros(())
        for row in each.rows:
            for branch in row.branches:
                logits = model(torch.tensor([[*row.prompt_ids, *branch.ids]])).logits[0].float()
                own = logits[len(row.prompt_ids) - 1 : -1].log_softmax(-1)[range(len(branch.ids)), list(branch.ids)]
                if branch.wanted:
                    ce = ce - own.sum()
                elif branch.selected:
                    ul = ul - torch.log1p(-own[list(branch.selected)].exp()).sum()
        total_ce = total_ce + ce / each.t_pos / len(lessons)
        total_ul = total_ul + ul / max(1, each.t_sel) / len(lessons)
    (total_ce + weight * total_ul).backward()
    return float(total_ce), float(total_ul), gradient(model)


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for _, p in sorted(model.named_parameters()) if p.grad is not None])


def run(model: Any, lessons: list[Lesson], path: Any = "packed", **more: Any) -> tuple[Losses, torch.Tensor]:
    """Losses and gradient of a step whose learning rate is nothing."""
    model.zero_grad()
    stepper = Stepper(model, full(**{"learning_rate": 1e-30, **more}), path)
    found = stepper.step(lessons, 1).losses
    return found, gradient(model)


@pytest.mark.parametrize("kind", [llama, gpt2])
@pytest.mark.parametrize("path", ["packed", "batched"])
def test_every_form_gives_the_plain_loss_and_gradient(kind: Any, path: str) -> None:
    model = made(kind)
    lessons = [lesson("a"), lesson("b", 3, first=21)]
    ce, ul, wanted = naive(model, lessons, 0.5)
    for rows in (1, 2, 7, None):
        found, own = run(model, lessons, path, rows_per_chunk=rows)
        assert found.ce == pytest.approx(ce, abs=1e-6)
        assert found.ul == pytest.approx(ul, abs=1e-6)
        assert float((own - wanted).norm() / wanted.norm()) < 1e-5
    assert found.t_pos == sum(map(len, ANSWERS)) + sum(map(len, ANSWERS[:3]))


def test_without_weight_it_is_plain_cross_entropy() -> None:
    model = made(llama)
    lessons = [lesson("a")]
    ce, _, wanted = naive(model, lessons, 0.0)
    for more in ({"ul_weight": 0.0}, {"arm": "numbered"}, {"ul_warmup": 1}):
        found, own = run(model, lessons, **more)
        assert (found.ce, found.ul, found.t_sel) == (pytest.approx(ce, abs=1e-6), None, 0)
        assert float((own - wanted).norm() / wanted.norm()) < 1e-5
    many = [lesson("a", arm="one-to-many")]
    ce, _, wanted = naive(model, many, 0.0)
    found, own = run(model, many, arm="one-to-many")
    assert (found.ce, found.ul) == (pytest.approx(ce, abs=1e-6), None)
    assert float((own - wanted).norm() / wanted.norm()) < 1e-5


def test_a_step_reads_what_it_moves() -> None:
    model = made(llama)
    stepper = Stepper(model, full(learning_rate=1e-2, ul_weight=2.0), "packed")
    lessons = [lesson("a")]
    before = stepper.read(lessons)
    found = [stepper.step(lessons, number).losses for number in range(1, 31)]
    assert found[0].ce == pytest.approx(before.ce, abs=1e-6)
    assert found[0].ul == pytest.approx(before.ul, abs=1e-6)
    assert 0 < found[0].p_selected < 1  # type: ignore[operator]
    assert stepper.read(lessons).ce < found[0].ce / 2


def test_one_row_in_memory_whatever_k() -> None:
    model = made(llama)
    sizes: list[int] = []
    model.model.embed_tokens.register_forward_hook(lambda module, given, out: sizes.append(given[0].shape[0]))
    run(model, [lesson("a", 2)], rows_per_chunk=1)
    run(model, [lesson("a", 4)], rows_per_chunk=1)
    assert sizes == [1] * (2 + 4)
    sizes.clear()
    run(model, [lesson("a", 4)], "batched", rows_per_chunk=1)
    assert set(sizes) == {1}
    rows = [PackedRow(lesson("a"), row) for row in lesson("a").rows]
    assert [len(chunk) for chunk in row_chunks(rows, 3)] == [3, 1]
    assert [len(chunk) for chunk in row_chunks(rows, None)] == [4]
    chunks = list(row_chunks(rows * 60, None))
    assert [row for chunk in chunks for row in chunk] == rows * 60
    assert all(len(chunk) * max(row.tokens for row in chunk) <= 2048 for chunk in chunks)


def test_rows_are_joined_behind_what_their_prompts_share() -> None:
    one = lesson("a")
    (whole,) = packed_rows(one, unlikely=True, joined=True)
    rows = packed_rows(one, unlikely=True, joined=False)
    assert whole.prompt_ids == [2, 20]
    assert len(rows) == 4
    assert whole.tokens == sum(row.tokens for row in rows) - 3 * 2
    assert whole.wanted.sum() == one.t_pos
    assert whole.unwanted.sum() == one.t_sel
    many = tuple(Row([2, 20, 30 + own, *range(40, 40 + own)], one.rows[0].branches) for own in range(80))
    assert len(packed_rows(Lesson("b", many), unlikely=True, joined=True)) == 80


def test_nothing_selected_is_no_loss() -> None:
    model = made(llama)
    one = lesson("a")
    bare = Lesson("a", tuple(Row(r.prompt_ids, tuple(Branch(b.ids, b.wanted) for b in r.branches)) for r in one.rows))
    found, own = run(model, [bare])
    assert (found.ul, found.p_selected, found.t_sel) == (0.0, None, 0)
    assert torch.isfinite(own).all()


def test_no_number_ends_the_run_with_its_place() -> None:
    model = made(llama)
    model.lm_head.weight.data[5, 0] = math.nan
    with pytest.raises(DivtoolError, match="prompt a, update 7: the loss is not finite"):
        Stepper(model, full(), "packed").step([lesson("a")], 7)


def test_a_model_that_rows_do_not_fit_is_run_plainly() -> None:
    from divtool.core.models.language import LanguageModel
    from divtool.core.training.possibility.setup import _checked

    said: list[str] = []
    job: Any = SimpleNamespace(settings=full(), tell=Tell(warn=said.append))
    assert _checked(job, LanguageModel("made", made(llama), None), [lesson("a")]).path == "packed"
    assert said == []
    model = made(bloom)
    checked = _checked(job, LanguageModel("made", model, None), [lesson("a")])
    assert checked.path == "batched"
    assert len(said) == 1
    assert "plain batches" in said[0]
    ce, ul, wanted = naive(model, [lesson("a")], 0.5)
    found, own = run(model, [lesson("a")], checked.path)
    assert (found.ce, found.ul) == (pytest.approx(ce, abs=1e-6), pytest.approx(ul, abs=1e-6))
    assert float((own - wanted).norm() / wanted.norm()) < 1e-5
