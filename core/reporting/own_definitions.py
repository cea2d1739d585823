"""What the numbers are that the page itself makes or that no metric catalog lists, by the sections that show them."""

from __future__ import annotations

from collections.abc import Set

_RESULTS = {"results", "plane", "words", "prompts", "deciles"}
_DATA = {"length", "run", "groups", "words", "length-bias", "deciles", "results"}

# Sections that show it, name, definition.
_ROWS: tuple[tuple[Set[str], str, str], ...] = (
    (_DATA, "words", "A word begins with a letter or digit and goes on over letters, marks and digits; apostrophes and "
     "hyphens join where such stand on both sides."),
    ({"run", "groups"}, "words each", "Words of all responses over their number."),
    ({"run"}, "cut by the token limit", "Share of responses whose finish_reason is length."),
    (_RESULTS, "value", "Mean over the units: prompts, or blocks of samples where a task has one prompt."),
    (_RESULTS | {"length-bias"}, "[95 %]", "Bootstrap interval over prompts, never over single responses: expanded "
     "percentiles (Hesterberg, arXiv 1411.5279). Below 6 units there is none."),
    (_RESULTS, "difference", "The run's value minus the baseline's, on the units that both have."),
    (_RESULTS, "p", "Two-sided sign-flip test on the units' differences: the share of random sign changes whose mean "
     "is at least as far from 0. Range 0 to 1."),
    ({"results"}, "p adjusted", "p after the correction for all headline comparisons of the call (Holm unless another "
     "was asked for)."),
    (_RESULTS, "verdict of diversity", "more or less: p adjusted is below 0.05, and the difference points that way; "
     "else not shown, which is no proof that nothing changed."),
    ({"results", "plane"}, "verdict of quality", "By the interval of the difference and the task's margin: not worse "
     "(its bad end is inside), equivalent (both ends are inside, and 0 between them), worse (wholly beyond), else "
     "undecided."),
    (_RESULTS, "colours", "Blue: in favour of the run; orange: against it; grey: not shown or not judged. The colour "
     "at the left of the first sentence is blue only where something is more diverse, nothing less, and quality did "
     "not fall."),
    (_RESULTS, "found 4 times in 5", "2.8 standard deviations of the units' differences over the root of their number: "
     "the smallest difference found with 80 % power at p below 0.05."),
    ({"results"}, "length", "Mean words of the run over those of the baseline, minus 1."),
    ({"plane"}, "on the front", "Share of bootstrap resamples in which no other run is better on one axis and at least "
     "as good on the other."),
    ({"parsing"}, "strict, lenient, usable", "Share of responses in just the format asked for; share from which the "
     "values can be read in any form; share that the task can use."),
    ({"values"}, "share of the values", "How often a value is given over all values of that field."),
    ({"length"}, "chosen minus rejected", "Words of the chosen response less those of the rejected one, mean over "
     "pairs."),
    ({"length"}, "standard error", "Standard deviation of the pairs' differences (n - 1) over the root of their "
     "number."),
    ({"length"}, "sd", "Standard deviation (n) over the responses of a side."),
    ({"length"}, "accuracy of a cue", "How often guessing the chosen response by this alone is right; ties count one "
     "half, so that 50 % is chance."),
    ({"length"}, "gap", "Mean over the diversity metrics of chosen minus rejected, each over its standard "
     "deviation among the candidates; higher is the clearer pair."),
    ({"funnel"}, "entered, kept, share", "What came to a stage, what it let through, and the one over the other. Units "
     "change along the way: responses, prompts, candidates, pairs."),
    ({"length-bias"}, "Spearman, Pearson", "Rank correlation and linear correlation of a score with the length, over "
     "all responses; -1 to 1, 0 is no bias."),
    ({"length-bias"}, "in prompts", "Spearman's correlation with ranks inside each prompt, pooled over "
     "prompts of 3 responses or more."),
    ({"length-bias"}, "sd per 10 words", "Slope of the least-squares line: change per 10 words of length, in standard "
     "deviations of the score."),
    ({"length-bias"}, "longer wins", "Share of pairs of responses to one prompt in which the longer one has the better "
     "score; 50 % is no bias."),
    ({"length-bias"}, "favours long or short", "Spearman's correlation, over all responses and inside prompts, is of "
     "one sign and at least 0.10 in size."),
    ({"deciles"}, "Diversity Decile", "1 + (edges below the value + edges not above it) / 2, of the nine edges that "
     "cut the reference texts of about the same length into tenths; 11 minus that for a metric that falls with "
     "diversity. 1 to 10, higher is more diverse (arXiv 2505.16245; window and ties are ours)."),
    ({"deciles"}, "mean decile, delta-DD", "Mean of the prompts' mean deciles; the difference of two runs on the "
     "prompts that both have."),
    ({"deciles"}, "half-width", "How many words shorter or longer a reference text may be to count for a length: the "
     "fewest that give 60 texts, at most 40."),
    ({"training"}, "margin, accuracy", "Mean of the chosen response's implicit reward less the rejected one's; share "
     "of pairs in which it is above 0. The implicit reward is beta times the log-probability over the reference's."),
    ({"training"}, "a curve's point", "One logged step; in lines of more than 300 steps the mean of a window."),
    ({"audit", "position", "decoders", "fit"}, "TV", "Total variation: half the sum of |p - target| over all options "
     "and anything else. 0 to 1, lower is better."),
    ({"audit", "position", "decoders", "fit"}, "valid mass", "Probability of any option, or the share of responses "
     "that are one; 0 to 1."),
    ({"audit"}, "TV of valid answers", "TV after the options' probabilities are divided by their sum."),
    ({"audit"}, "effective options", "2 to the power of the entropy in bits of the valid answers."),
    ({"audit"}, "score, spread, format", "100 less the mean TV in hundredths; the same of valid answers; the mean "
     "valid mass in hundredths. Means over wordings, then tasks, then families, w0 and variations left out."),
    ({"audit"}, "a perfect sampler's TV", "Expected TV of so many draws from the target itself; the corrected TV is "
     "what exceeds it."),
    ({"position"}, "position TV, content TV", "TV of the choice by place from a fair share, whatever stands there; of "
     "the choice by entry from its target, wherever it stands."),
    ({"position"}, "order effect, flip rate", "Mean TV between the choices in two orders of the list; share of pairs "
     "of orders whose favourites differ."),
    ({"position"}, "primacy, recency", "Probability of the first and of the last place times the number of places; 1 "
     "is fair."),
    ({"position"}, "bits told by the order, interaction", "Mutual information of order and choice; share of the "
     "variance of log-probabilities that place and entry together do not explain."),
    ({"decoders", "fit"}, "normalised entropy", "Entropy of the valid answers over that of the target."),
    ({"fit"}, "KL, spread, validity", "Divergence of the answers from the target in nats: of all, and its two parts, "
     "among valid answers and of valid against anything else."),
    ({"fit"}, "anchor", "Divergence from the base model on everyday answers, in nats."),
)  # fmt: skip


def own_definitions(shown: Set[str]) -> list[tuple[str, str]]:
    """Name and definition of every number that these sections show."""
    return [(name, definition) for sections, name, definition in _ROWS if sections & shown]
