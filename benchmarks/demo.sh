#!/bin/sh
# The main job on the embedded model: sh benchmarks/demo.sh DIVTOOL FOLDER. Prints each command before it runs.
set -eu
divtool=$1
out=$2
mkdir -p "$out"
rm -rf "$out/adapter" "$out/measures.jsonl.work"

run() {
    printf '\n$ divtool %s\n' "$*" >&2
    "$divtool" "$@"
}

run prompts scenes --count 52 -o "$out/prompts.jsonl"
run sample "$out/prompts.jsonl" -n 4 --strategy sequential --temperature 0.8 --max-new-tokens 96 \
    --batch-size 208 --dtype bfloat16 -o "$out/responses.jsonl"
run score "$out/responses.jsonl" --metrics lexical,dsi_lite,semantic_deviation,mean_logprob \
    --quality perplexity --dtype bfloat16 -o "$out/scored.jsonl"
run select "$out/scored.jsonl" --method diverse-ns --orientation any --min-words 15 \
    --report "$out/select.json" -o "$out/pairs.jsonl"
run train "$out/pairs.jsonl" --method diverse-ns --learning-rate 1e-4 --sft-weight 0 --batch-size 4 --grad-accum 2 \
    -o "$out/adapter"
run eval --task aut -n 8 --model smollm2-135m --adapter "$out/adapter" --baseline smollm2-135m \
    --dtype bfloat16 -o "$out/measures.jsonl"
run report "$out/scored.jsonl" "$out/select.json" "$out/pairs.jsonl" "$out/adapter/train_log.jsonl" \
    "$out/adapter/divtool_train.json" "$out/measures.jsonl" "$out/measures.jsonl.work/eval.json" \
    "$out/measures.jsonl.work/aut.run.jsonl" "$out/measures.jsonl.work/aut.baseline.jsonl" \
    -o "$out/report.html"
