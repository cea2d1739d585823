#!/bin/sh
# DivPO in rounds: sample from the adapter of the round before, score, select, train a new adapter from it.
#
#   sh examples/divpo-rounds.sh ROUNDS
#
# Each round takes its own prompts: line r, r + ROUNDS, r + 2 ROUNDS, ... of PROMPTS. The reference of a round is a frozen
# copy of the adapter that entered it. A stage that fails stops the script; started again, it skips finished rounds.
#
# Settings, from the environment:
#   PROMPTS   prompt records            (RUN/prompts.jsonl, made of the built-in set `scenes` if it is missing)
#   COUNT     how many of those         (64)
#   RUN       folder of the rounds      (divpo-run)
#   SAMPLES   responses a prompt        (16)
#   METRICS   what `score` computes     (perplexity)
#   REWARD    the reward of `select`    (perplexity)
#   DIVTOOL   the program               (divtool)
#   SAMPLE_OPTIONS, SCORE_OPTIONS, SELECT_OPTIONS, TRAIN_OPTIONS: added to each stage, as in TRAIN_OPTIONS="--max-steps 20"
set -eu

rounds=${1:?"give the number of rounds: sh examples/divpo-rounds.sh 3"}
run=${RUN:-divpo-run}
prompts=${PROMPTS:-$run/prompts.jsonl}
divtool=${DIVTOOL:-divtool}
reward=${REWARD:-perplexity}

mkdir -p "$run"
if [ ! -e "$prompts" ]; then
    $divtool prompts scenes --count "${COUNT:-64}" -o "$prompts.part"
    mv "$prompts.part" "$prompts"
fi

before=
r=1
while [ "$r" -le "$rounds" ]; do
    if [ -e "$run/$r/divtool_train.json" ]; then
        echo "round $r: finished already" >&2
    else
        echo "round $r of $rounds" >&2
        awk -v r="$r" -v n="$rounds" 'NF { if (i++ % n == r - 1) print }' "$prompts" > "$run/$r.prompts"
        # A file a stage, so that the failure of any stage is seen: the status of a pipe is that of its last command.
        # shellcheck disable=SC2086
        $divtool sample "$run/$r.prompts" ${before:+--adapter "$before"} -n "${SAMPLES:-16}" --seed "$r" \
            -o "$run/$r.responses" --resume ${SAMPLE_OPTIONS:-}
        # shellcheck disable=SC2086
        $divtool score "$run/$r.responses" --metrics "${METRICS:-perplexity}" -o "$run/$r.scored" --resume \
            ${SCORE_OPTIONS:-}
        # shellcheck disable=SC2086
        $divtool select "$run/$r.scored" --method divpo --quality-metric "$reward" --seed "$r" \
            --report "$run/$r.select.json" -o "$run/$r.pairs" ${SELECT_OPTIONS:-}
        # shellcheck disable=SC2086
        $divtool train "$run/$r.pairs" --method divpo ${before:+--adapter "$before"} -o "$run/$r" --resume \
            ${TRAIN_OPTIONS:-}
    fi
    before=$run/$r
    r=$((r + 1))
done
echo "the adapter of the last round: $before" >&2
