#!/bin/sh
# One model at three temperatures on every task, and where each stands in the plane of quality and diversity:
# sh benchmarks/temperature.sh DIVTOOL FOLDER. Prints each command before it runs; goes on where it was stopped.
set -eu
divtool=$1
out=$2
mkdir -p "$out"

run() {
    printf '\n$ divtool %s\n' "$*" >&2
    "$divtool" "$@"
}

for t in 0.5 1.0 1.5; do
    run eval --task dat,persona,biographies --preset quick -n 100 --run "t$t=smollm2-135m@temperature=$t" \
        --work "$out/blocks" --resume -o "$out/blocks-$t.jsonl"
    run eval --task aut,story,novelty-lite --preset quick --count 15 -n 10 --run "t$t=smollm2-135m@temperature=$t" \
        --work "$out/prompts" --resume -o "$out/prompts-$t.jsonl"
    cat "$out/blocks/"*".t$t.jsonl" "$out/prompts/"*".t$t.jsonl" >"$out/t$t.jsonl"
done
run eval --task dat,persona,biographies,aut,story,novelty-lite --run "t0.5=$out/t0.5.jsonl" \
    --run "t1.5=$out/t1.5.jsonl" --baseline "t1.0=$out/t1.0.jsonl" --report "$out/report.html" \
    --unit-values "$out/units.jsonl" -o "$out/measures.jsonl"
