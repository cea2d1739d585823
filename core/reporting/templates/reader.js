"use strict";
// Searches and sorts the responses. Texts come in by textContent alone: nothing of them is ever read as markup.
(() => {
  const data = JSON.parse(document.getElementById("reader-data").textContent);
  const STEP = 24; // responses and pairs that a click shows; of a prompt with more, as many at first
  const form = document.getElementById("reader");
  const list = document.getElementById("reader-list");
  const more = document.getElementById("reader-more");
  const status = document.getElementById("reader-status");
  const control = (name) => form.elements.namedItem(name);
  const number = new Intl.NumberFormat("en");
  const fold = (text) => text.normalize("NFKC").toLowerCase();

  const items = [];
  for (const [prompt, run, sample, turn, place, words, cut, same, text, scores] of data.responses) {
    items.push({ kind: "response", prompt, run, sample, turn, place, words, cut, same, texts: [text], scores });
  }
  for (const [prompt, chosen, rejected, first, second, gap, weight] of data.pairs) {
    items.push({ kind: "pair", prompt, words: chosen, sides: [chosen, rejected], texts: [first, second], gap, weight });
  }
  items.forEach((item, order) => { item.order = order; });
  const repeated = new Map(); // how many later responses nearly repeat this one
  for (const item of items) {
    if (Number.isInteger(item.same)) repeated.set(item.same, (repeated.get(item.same) || 0) + 1);
  }

  // What can be sorted by: a label, and a number of an item or null.
  const keys = [["order of the files", (item) => item.order], ["words", (item) => item.words]];
  if (repeated.size) keys.push(["near-duplicates", (item) => (item.same === null ? 0 : 1)]);
  if (data.pairs.some((pair) => pair[5] !== null)) keys.push(["gap", (item) => item.gap ?? null]);
  if (data.pairs.some((pair) => pair[6] !== null)) keys.push(["weight", (item) => item.weight ?? null]);
  data.scores.forEach((name, i) => name === "words" || keys.push([name, (item) => (item.scores ? item.scores[i] : null)]));

  function element(tag, name, text) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function options(select, labels) {
    labels.forEach((label, i) => {
      const made = element("option", "", label);
      made.value = String(i);
      select.append(made);
    });
  }

  // A text folded character by character, and where in the text each folded character comes from.
  function placed(text) {
    let folded = "", at = 0;
    const from = [];
    for (const character of text) {
      const other = fold(character);
      for (let i = 0; i < other.length; i += 1) from.push(at);
      folded += other;
      at += character.length;
    }
    from.push(at);
    return [folded, from];
  }

  // A text with the terms of the search marked.
  function marked(text, terms) {
    const box = element("div", "text");
    box.dir = "auto";
    const [folded, from] = terms.length ? placed(text) : ["", [0]];
    let place = 0, done = 0;
    for (;;) {
      let start = -1, size = 0;
      for (const term of terms) {
        const found = folded.indexOf(term, place);
        if (found >= 0 && (start < 0 || found < start)) { start = found; size = term.length; }
      }
      if (start < 0) break;
      const begin = Math.max(from[start], done), end = from[start + size];
      if (end > begin) box.append(text.slice(done, begin), element("mark", "", text.slice(begin, end)));
      if (end > done) done = end;
      place = start + size;
    }
    box.append(text.slice(done));
    return box;
  }

  function facts(item) {
    const row = element("p", "label");
    const parts = [];
    if (data.runs.length > 1) parts.push(data.runs[item.run]);
    if (item.sample !== null) parts.push("sample " + item.sample);
    if (item.turn !== null && item.turn > 1) parts.push("turn " + item.turn);
    if (item.place !== null) parts.push("number " + item.place);
    parts.push(number.format(item.words) + (item.words === 1 ? " word" : " words"));
    if (item.cut) parts.push("cut by the token limit");
    const key = Number(control("sort").value);
    const value = keys[key][1](item);
    if (key > 1 && typeof value === "number" && keys[key][0] !== "near-duplicates") parts.push(keys[key][0] + " " + value);
    row.append(element("bdi", "", parts.join(" · ")));
    if (item.same !== null) {
      const first = items[item.same];
      const of = first.sample === null ? "an earlier one" : "sample " + first.sample;
      row.append(" ", element("span", "near", "≈ " + (first.texts[0][0] === item.texts[0][0] ? "the same as " : "nearly ") + of));
    } else if (repeated.has(item.order)) {
      row.append(" ", element("span", "near", "≈ repeated by " + number.format(repeated.get(item.order))));
    }
    return row;
  }

  function body(text, terms) {
    const parts = [marked(text[0], terms)];
    if (text.length > 1) {
      parts.push(element("p", "note", "cut: the first " + number.format(text[0].length) + " of " + number.format(text[1]) + " characters"));
    }
    return parts;
  }

  function card(item, terms) {
    if (item.kind === "response") {
      const side = element("div", item.same === null ? "side run" : "side run same");
      side.append(facts(item), ...body(item.texts[0], terms));
      return [side];
    }
    const about = [["gap", item.gap], ["weight", item.weight]].filter(([, value]) => typeof value === "number");
    return ["Chosen", "Rejected"].map((label, i) => {
      const side = element("div", "side " + label.toLowerCase());
      const numbers = about.map(([name, value]) => " · " + name + " " + Number(value.toPrecision(4))).join("");
      side.append(element("h4", "", label), element("p", "label", number.format(item.sides[i]) + " words" + (i ? "" : numbers)));
      side.append(...body(item.texts[i], terms));
      return side;
    });
  }

  // One block: a prompt with its responses, or one response with its prompt.
  function block(group, terms) {
    const made = element("li", "example");
    const prompt = element("div", "prompt");
    prompt.append(element("h3", "label", "Prompt"), ...body(data.prompts[group.prompt], terms));
    made.append(prompt);
    fill(made, group.items, terms);
    return made;
  }

  // The first responses and pairs of a block, and a button for the rest.
  function fill(made, all, terms) {
    const now = all.slice(0, STEP), rest = all.slice(STEP);
    const sides = element("div", "sides");
    for (const item of now.filter((item) => item.kind === "response")) sides.append(...card(item, terms));
    if (sides.childNodes.length) made.append(sides);
    for (const item of now.filter((item) => item.kind === "pair")) {
      const two = element("div", "sides pair");
      two.append(...card(item, terms));
      made.append(two);
    }
    if (!rest.length) return;
    const button = element("button", "more", "Show more to this prompt (" + number.format(rest.length) + " left)");
    button.type = "button";
    button.addEventListener("click", () => {
      button.remove();
      fill(made, rest, terms);
    });
    made.append(button);
  }

  function mean(values) {
    const known = values.filter((value) => typeof value === "number");
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  }

  // Numbers first, in the wanted order; what has none comes last; equals stay in the order of the files.
  function ranked(things, value, down) {
    const keyed = things.map((thing, i) => [value(thing), i, thing]);
    keyed.sort(([a, i], [b, j]) => {
      if (a === null || b === null) return (a === null) - (b === null) || i - j;
      return (down ? b - a : a - b) || i - j;
    });
    return keyed.map(([, , thing]) => thing);
  }

  let groups = [], shown = 0, terms = [];

  function select() {
    terms = fold(control("search").value).split(/\s+/).filter(Boolean);
    const what = control("what").value, run = control("run").value, repeats = control("same").checked;
    return items.filter((item) => {
      if (what && item.kind !== what) return false;
      if (run && (item.kind === "pair" || item.run !== Number(run))) return false;
      if (repeats && (item.kind === "pair" || (item.same === null && !repeated.has(item.order)))) return false;
      if (!terms.length) return true;
      item.folded ??= fold([data.prompts[item.prompt][0], ...item.texts.map((text) => text[0])].join("\n"));
      return terms.every((term) => item.folded.includes(term));
    });
  }

  function arrange(found) {
    const value = keys[Number(control("sort").value)][1], down = control("down").checked;
    if (!control("grouped").checked) {
      return ranked(found, value, down).map((item) => ({ prompt: item.prompt, items: [item] }));
    }
    const by = new Map();
    for (const item of found) {
      if (!by.has(item.prompt)) by.set(item.prompt, []);
      by.get(item.prompt).push(item);
    }
    const all = [...by].map(([prompt, members]) => ({ prompt, items: ranked(members, value, down) }));
    return ranked(all, (group) => mean(group.items.map(value)), down);
  }

  function extend() {
    let end = shown, size = 0;
    while (end < groups.length && (end === shown || size + groups[end].items.length <= STEP)) {
      size += groups[end].items.length;
      end += 1;
    }
    const next = groups.slice(shown, end);
    const made = next.map((group) => block(group, terms));
    list.append(...made);
    shown += next.length;
    more.hidden = shown >= groups.length;
    const left = groups.slice(shown).reduce((sum, group) => sum + group.items.length, 0);
    more.textContent = "Show more (" + number.format(left) + " left)";
    return made[0];
  }

  function refresh() {
    const found = select();
    groups = arrange(found);
    shown = 0;
    list.replaceChildren();
    const counts = ["response", "pair"].map((kind) => [kind, found.filter((item) => item.kind === kind).length]);
    const told = counts.filter(([, n]) => n).map(([kind, n]) => number.format(n) + " " + kind + (n === 1 ? "" : "s"));
    const prompts = new Set(found.map((item) => item.prompt)).size;
    status.textContent = told.length
      ? told.join(" and ") + " to " + number.format(prompts) + (prompts === 1 ? " prompt" : " prompts")
      : "Nothing fits. Search for fewer words, or take a choice back.";
    extend();
    list.removeAttribute("aria-busy");
  }

  options(control("sort"), keys.map(([label]) => label));
  options(control("run"), data.runs);
  form.querySelector("[data-of=run]").hidden = data.runs.length < 2;
  form.querySelector("[data-of=what]").hidden = !data.responses.length || !data.pairs.length;
  form.querySelector("[data-of=same]").hidden = !repeated.size;
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    list.setAttribute("aria-busy", "true"); // what is shown is not yet what is asked for
    waiting = setTimeout(refresh, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const first = extend();
    first.tabIndex = -1; // the reader goes on where the new ones begin
    first.focus({ preventScroll: true });
  });
  form.hidden = false;
  refresh();
})();
