"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const DECISIONS = { accept: "Accepted", keep: "Kept", unsure: "Unsure", relabel: "Relabelled" };
  const COLUMNS = ["id", "row", "content_hash", "label", "decision", "new_label"];

  const cards = [...document.querySelectorAll(".card")];
  const rows = new Map(data.rows.map((row) => [String(row.row), row]));
  const cardOf = new Map(cards.map((card) => [card.dataset.row, card]));
  const sections = [...document.querySelectorAll(".group")];
  const suspects = data.rows.filter((row) => row.suspect);
  const toReview = suspects.length ? suspects : data.rows;

  // row → what decisions.csv says of it; kept whole, for another rendering of this report may not show the row.
  let decisions = new Map();
  let undoable = []; // each a list of [row, decision before it]
  let current = null;
  let keysOn = true;

  const name = (index) => (index < 0 ? "" : data.classes[index]);
  // Characters that cannot be seen, or turn the writing around, are written out, as on the rest of the page.
  const visible = (text) =>
    text.replace(/[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
      const code = c.charCodeAt(0);
      return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
    });

  // ---- Keeping decisions ----

  const storage = (() => {
    try {
      localStorage.setItem(data.key + ":probe", "1");
      localStorage.removeItem(data.key + ":probe");
      return localStorage;
    } catch {
      return null;
    }
  })();

  function load() {
    decisions = new Map();
    try {
      const stored = JSON.parse((storage && storage.getItem(data.key)) || "[]");
      for (const record of stored) if (Object.hasOwn(DECISIONS, record.decision)) decisions.set(String(record.row), record);
    } catch {
      // Unreadable: as if there were none.
    }
  }

  function save() {
    try {
      storage.setItem(data.key, JSON.stringify([...decisions.values()]));
      $("no-storage").hidden = true;
    } catch {
      $("no-storage").hidden = false;
    }
  }

  function recordOf(row, decision, newLabel) {
    const { id, hash } = row;
    return { id, row: row.row, content_hash: hash, label: name(row.given), decision, new_label: newLabel };
  }

  // ---- Showing them ----

  function say(text, progress = "") {
    $("live").textContent = text + progress; // seen beside it already
    $("toast").textContent = $("toast").title = text;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => ($("toast").textContent = ""), 6000);
  }

  function progressText() {
    const done = toReview.filter((row) => decisions.has(String(row.row))).length;
    const others = data.rows.filter((row) => decisions.has(String(row.row))).length - done;
    $("progress").max = toReview.length;
    $("progress").value = done;
    return `${done} of ${toReview.length} reviewed` + (others ? `, and ${others} other` + (others > 1 ? "s" : "") : "");
  }

  function showDecision(card) {
    const record = decisions.get(card.dataset.row);
    if (record) card.dataset.decision = record.decision;
    else delete card.dataset.decision;
    for (const button of card.querySelectorAll("[data-decision]"))
      button.setAttribute("aria-pressed", String(Boolean(record) && button.dataset.decision === record.decision));
    const verdict = card.querySelector(".verdict");
    verdict.hidden = !record;
    verdict.textContent = record ? describe(record) : "";
    const other = card.querySelector('[data-decision="relabel"] > span');
    other.textContent = record && record.decision === "relabel" ? visible(record.new_label) : "Other…";
    other.title = record ? verdict.textContent : "";
  }

  function describe(record) {
    const to = record.new_label ? `: ${visible(record.new_label)}` : record.decision === "keep" ? `: ${visible(record.label)}` : "";
    return DECISIONS[record.decision] + to;
  }

  function showAll() {
    cards.forEach(showDecision);
    showProgress();
    filter();
  }

  function showProgress() {
    $("progress-text").textContent = progressText();
    $("undo").disabled = !undoable.length;
    $("export").disabled = !decisions.size;
  }

  // ---- Moving ----

  const shown = () => sections.flatMap((section) => [...section.querySelectorAll(".card:not([hidden])")]);

  function select(card, focus = true) {
    if (current) {
      current.classList.remove("current");
      current.removeAttribute("aria-current");
    }
    current = card;
    if (!card) return;
    card.classList.add("current");
    card.setAttribute("aria-current", "true");
    if (focus) {
      card.focus({ preventScroll: true });
      card.scrollIntoView({ block: "nearest" });
    }
  }

  function inView(card) {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > $("bar").getBoundingClientRect().bottom && top < innerHeight;
  }

  function move(by) {
    const list = shown();
    const at = list.indexOf(current);
    if (list.length) select(list[Math.min(Math.max(at < 0 ? 0 : at + by, 0), list.length - 1)]);
  }

  function moveVertically(by) {
    const list = shown().filter((card) => card.parentNode === (current && current.parentNode));
    const columns = list.filter((card) => card.offsetTop === list[0].offsetTop).length || 1;
    const at = list.indexOf(current) + by * columns;
    move(at >= 0 && at < list.length ? by * columns : by);
  }

  // ---- Deciding ----

  function decide(card, decision, newLabel) {
    const row = rows.get(card.dataset.row);
    if (decision === "accept") {
      if (row.suggested < 0) return say("There is no suggestion to accept: choose another label with o.");
      newLabel = name(row.suggested);
    }
    const list = shown();
    const at = list.indexOf(card);
    const record = recordOf(row, decision, newLabel || "");
    change([[card.dataset.row, record]]);
    const next = [...list.slice(at + 1), ...list.slice(0, Math.max(at, 0))].find((other) => !decisions.has(other.dataset.row));
    say(describe(record) + (next ? "." : "; nothing is left to decide here."), ` ${progressText()}.`);
    filter();
    select(next || (card.hidden ? shown()[0] : card) || null);
  }

  function takeBack(card) {
    change([[card.dataset.row, undefined]]);
    say("Taken back.", ` ${progressText()}.`);
    filter();
    if (!card.hidden) select(card);
  }

  function change(changes) {
    undoable.push(changes.map(([row]) => [row, decisions.get(row)]));
    apply(changes);
  }

  function apply(changes) {
    for (const [row, record] of changes) {
      if (record) decisions.set(row, record);
      else decisions.delete(row);
      if (cardOf.has(row)) showDecision(cardOf.get(row));
    }
    save();
    showProgress();
  }

  function undo() {
    const changes = undoable.pop();
    if (!changes) return say("Nothing to undo.");
    apply(changes);
    filter();
    const card = cardOf.get(changes[0][0]);
    if (card && !card.hidden) select(card);
    say("Undone.", ` ${progressText()}.`);
  }

  function choose(card) {
    const row = rows.get(card.dataset.row);
    select(card, false);
    $("chooser-row").textContent = `${visible(row.id)}, given ${visible(name(row.given))}`;
    $("chooser-class").value = "";
    $("chooser-error").textContent = "";
    $("chooser").showModal();
    $("chooser-class").focus();
  }

  function chosen(event) {
    event.preventDefault();
    const typed = $("chooser-class").value;
    const row = rows.get(current.dataset.row);
    const index = data.classes.findIndex((known) => known === typed || visible(known) === typed);
    const close = data.classes.filter((known) => known.trim().toLowerCase() === typed.trim().toLowerCase());
    const label = index >= 0 ? data.classes[index] : close.length === 1 ? close[0] : null;
    if (label === null) $("chooser-error").textContent = typed ? "There is no class of this name." : "Choose a class.";
    else if (label === name(row.given)) $("chooser-error").textContent = "That is the label it has: keep it with k.";
    else {
      $("chooser").close();
      decide(current, "relabel", label);
    }
  }

  function request(decision, card) {
    if (decision === "relabel") choose(card);
    else decide(card, decision);
  }

  // ---- Filtering and sorting ----

  const ORDERS = {
    rank: (a, b) => a.rank - b.rank,
    score: (a, b) => b.score - a.score || a.rank - b.rank,
    influence: (a, b) => a.influence - b.influence || a.rank - b.rank,
    label: (a, b) => name(a.given).localeCompare(name(b.given), undefined, { numeric: true }) || a.rank - b.rank,
  };

  function sort() {
    const order = ORDERS[$("sort").value];
    for (const section of sections) {
      const list = section.querySelector(".cards");
      const ordered = [...list.children].sort((a, b) => order(rows.get(a.dataset.row), rows.get(b.dataset.row)));
      list.append(...ordered);
    }
  }

  function filter() {
    const pair = $("pair").value;
    const state = $("state").value;
    const search = $("search").value.toLowerCase();
    for (const card of cards) {
      const row = rows.get(card.dataset.row);
      const record = decisions.get(card.dataset.row);
      card.hidden = !(
        (!pair || pair === `${row.given}-${row.suggested}`) &&
        row.id.toLowerCase().includes(search) &&
        (!state || (state === "none" ? !record : record && (state === "any" || state === record.decision)))
      );
    }
    for (const section of sections) {
      const all = section.querySelectorAll(".card");
      const left = [...all].filter((card) => !card.hidden).length;
      section.hidden = !left;
      section.querySelector("[data-count]").textContent = left === all.length ? left : `${left} of ${all.length}`;
    }
    const list = shown();
    $("none-match").hidden = Boolean(list.length);
    if (!current || current.hidden) select(list.find((card) => !decisions.has(card.dataset.row)) || list[0] || null, false);
    return list.length;
  }

  function filterAnew() {
    const left = filter();
    $("live").textContent = `${left} rows shown.`;
  }

  function clearFilters() {
    $("filters").reset();
    sort();
  }

  function showPair(pair) {
    clearFilters();
    $("pair").value = pair;
    // Rows of a pair may lie beyond those embedded.
    if ($("pair").value !== pair) return say("None of these rows is in this page; report.parquet has them.");
    filterAnew();
    select(shown()[0]);
  }

  function goTo(event, row) {
    const card = cardOf.get(row);
    event.preventDefault();
    if (!card) return say("This row is not in this page; report.parquet has it.");
    if (card.hidden) {
      clearFilters();
      filter();
    }
    select(card);
  }

  // ---- decisions.csv ----

  // A spreadsheet would run a cell that begins like a formula; `labelaudit apply` takes the apostrophe off again.
  const guarded = (text) => (/^[=+\-@'\t\r]/.test(text) ? "'" + text : text);
  const unguarded = (text) => (text.startsWith("'") ? text.slice(1) : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function toCsv() {
    const records = [...decisions.values()].sort((a, b) => a.row - b.row);
    const lines = records.map((record) => COLUMNS.map((column) => quoted(guarded(String(record[column])))).join(","));
    return [COLUMNS.join(","), ...lines, ""].join("\r\n");
  }

  function exportCsv() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv;charset=utf-8" }));
    link.download = "decisions.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`${decisions.size} decisions exported.`);
  }

  function parseCsv(text) {
    const records = [[""]];
    let inQuotes = false;
    const source = text.replace(/^\ufeff/, "");
    for (let i = 0; i < source.length; i++) {
      const c = source[i];
      const record = records[records.length - 1];
      if (inQuotes) {
        if (c !== '"') record[record.length - 1] += c;
        else if (source[i + 1] === '"') record[record.length - 1] += source[++i];
        else inQuotes = false;
      } else if (c === '"') inQuotes = true;
      else if (c === ",") record.push("");
      else if (c === "\n" || c === "\r") {
        if (c === "\r" && source[i + 1] === "\n") i++;
        records.push([""]);
      } else record[record.length - 1] += c;
    }
    return records.filter((record) => record.length > 1 || record[0]);
  }

  // What a line of another decisions.csv means here, or nothing if it is about something else.
  function understood(line) {
    const record = Object.fromEntries(COLUMNS.map((column, i) => [column, unguarded(line[i] || "")]));
    const row = rows.get(record.row);
    const here = row && recordOf(row, record.decision, record.new_label);
    const same = here && ["id", "content_hash", "label"].every((column) => here[column] === record[column]);
    const { decision, new_label: label } = record;
    const valid =
      (decision === "accept" && row && row.suggested >= 0 && label === name(row.suggested)) ||
      (decision === "relabel" && data.classes.includes(label)) ||
      ((decision === "keep" || decision === "unsure") && label === "");
    return same && valid ? here : null;
  }

  function importCsv(text) {
    const [header, ...lines] = parseCsv(text);
    if (!header || header.join() !== COLUMNS.join()) return say(`Not a decisions.csv: expected the columns ${COLUMNS.join(", ")}.`);
    const found = lines.map(understood).filter(Boolean);
    if (found.length) change(found.map((record) => [String(record.row), record]));
    filter();
    const skipped = lines.length - found.length;
    say(`${found.length} decisions imported` + (skipped ? `, ${skipped} left out: not about rows of this page.` : "."));
  }

  // (An autofocus attribute would also be looked at while the page loads, when a row may have the focus already.)
  function showHelp() {
    $("help").showModal();
    $("help").querySelector("button").focus();
  }

  // ---- Events ----

  const KEYS = {
    a: () => request("accept", current),
    k: () => request("keep", current),
    u: () => request("unsure", current),
    o: () => request("relabel", current),
    j: () => move(1),
    n: () => move(1),
    p: () => move(-1),
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
    ArrowDown: () => moveVertically(1),
    ArrowUp: () => moveVertically(-1),
    z: undo,
    "?": showHelp,
  };

  document.addEventListener("keydown", (event) => {
    const { target } = event;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // caps lock
    if (event.altKey || event.metaKey || event.ctrlKey || !keysOn || !(key in KEYS)) return;
    if (target.closest("input, select, textarea, dialog")) return;
    // Arrows scroll the page unless a row has the focus.
    if (key.startsWith("Arrow") && !target.closest(".card")) return;
    event.preventDefault();
    if (event.repeat && "akuoz".includes(key)) return;
    if ("akuo".includes(key)) {
      if (!current) return;
      // Nobody decides on what they cannot see.
      if (!inView(current)) return select(current);
    }
    KEYS[key]();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-decision], [data-pair], [data-goto]");
    const card = event.target.closest(".card");
    if (button && button.matches("button[data-decision]")) {
      if (button.getAttribute("aria-pressed") === "true" && button.dataset.decision !== "relabel") takeBack(card);
      else request(button.dataset.decision, card);
    } else if (button && button.dataset.pair) showPair(button.dataset.pair);
    else if (button && button.dataset.goto) goTo(event, button.dataset.goto);
  });
  document.addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (card && card !== current) select(card, false);
  });

  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => (clearFilters(), filterAnew()));
  for (const id of ["pair", "state"]) $(id).addEventListener("change", filterAnew);
  $("search").addEventListener("input", filterAnew);
  $("sort").addEventListener("change", () => (sort(), filterAnew()));
  $("undo").addEventListener("click", undo);
  $("export").addEventListener("click", exportCsv);
  $("import").addEventListener("click", () => $("import-file").click());
  $("import-file").addEventListener("change", async ({ target }) => {
    if (target.files.length) importCsv(await target.files[0].text());
    target.value = "";
  });
  $("help-open").addEventListener("click", showHelp);
  $("help").querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), $("help").close()));
  $("keys-on").addEventListener("change", ({ target }) => (keysOn = target.checked));
  $("chooser-form").addEventListener("submit", chosen);
  $("chooser-cancel").addEventListener("click", () => $("chooser").close());
  $("chooser").addEventListener("close", () => current && current.focus({ preventScroll: true }));
  // Another tab with this report has decided something.
  addEventListener("storage", (event) => {
    if (event.key !== data.key) return;
    load();
    showAll();
  });
  addEventListener("beforeunload", (event) => {
    if (!$("no-storage").hidden && decisions.size) event.preventDefault();
  });

  for (const known of data.classes) $("class-names").append(new Option("", visible(known)));
  $("bar").hidden = $("filters").hidden = false;
  $("no-storage").hidden = Boolean(storage);
  load();
  sort(); // a reloaded page may keep its selects
  showAll();
})();
