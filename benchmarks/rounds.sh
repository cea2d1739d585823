#!/bin/sh
# Two rounds of DivPO on the embedded model, each measured on prompts that no round saw:
# sh benchmarks/rounds.sh DIVTOOL FOLDER. Prints each command of its own before it runs; goes on where it was stopped.
set -eu
divtool=$1
out=$2
rounds=${ROUNDS:-2}
mkdir -p "$out"

run() {
    printf '\n$ divtool %s\n' "$*" >&2
    "$divtool" "$@"
}

# `scenes` has 320 prompts, the same in every draw; the first 48 are held out, the next COUNT are trained on.
[ -e "$out/all.jsonl" ] || run prompts scenes --count 320 -o "$out/all.jsonl"
head -n 48 "$out/all.jsonl" >"$out/held-out.jsonl"
tail -n +49 "$out/all.jsonl" | head -n "${COUNT:-64}" >"$out/prompts.jsonl"

drawn="-n 4 --top-p 0.95 --max-new-tokens 96 --batch-size 128 --dtype bfloat16"
PROMPTS=$out/prompts.jsonl RUN=$out/rounds DIVTOOL=$divtool SAMPLES=8 \
    SAMPLE_OPTIONS="--top-p 0.95 --max-new-tokens 96 --batch-size 128 --dtype bfloat16" \
    SELECT_OPTIONS="--criterion knn" TRAIN_OPTIONS="--learning-rate ${RATE:-2e-4} --epochs 3 --grad-accum 4" \
    sh "$(dirname "$0")/../examples/divpo-rounds.sh" "$rounds"

sides=
for r in $(seq 0 "$rounds"); do
    [ "$r" = 0 ] && adapter= || adapter="--adapter $out/rounds/$r"
    # shellcheck disable=SC2086
    run sample "$out/held-out.jsonl" $adapter $drawn --resume -o "$out/round$r.responses.jsonl"
    run score "$out/round$r.responses.jsonl" --metrics lexical --quality perplexity --resume -o "$out/round$r.jsonl"
    [ "$r" = 0 ] || sides="$sides --run round$r=$out/round$r.jsonl"
done
# shellcheck disable=SC2086
run eval --task pool $sides --baseline "untouched=$out/round0.jsonl" --quality scores.perplexity \
    --report "$out/report.html" -o "$out/measures.jsonl"
