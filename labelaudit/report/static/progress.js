// ---- What is decided, how far one is, and how long the rest will take ----

const PAUSE = 60; // seconds; a longer wait is a pause, and counts as this much
const TIMED = 20; // latest decisions that the pace is taken from
const FEWEST_TIMED = 5;

const paces = []; // seconds between decisions
let decidedAt = null;

function keepTime() {
  const now = performance.now();
  if (decidedAt !== null) paces.push(Math.min((now - decidedAt) / 1000, PAUSE));
  decidedAt = now;
}

function timeLeft(rowsLeft) {
  if (paces.length < FEWEST_TIMED || !rowsLeft) return "";
  const latest = paces.slice(-TIMED).sort((a, b) => a - b);
  const minutes = (latest[Math.floor(latest.length / 2)] * rowsLeft) / 60;
  return minutes < 1 ? "less than a minute left" : `about ${Math.round(minutes)} min left`;
}

function reviewed() {
  return toReview.filter((row) => decisions.has(String(row.row))).length;
}

function progressText() {
  const done = reviewed();
  const others = data.rows.filter((row) => decisions.has(String(row.row))).length - done;
  return `${done} of ${toReview.length} reviewed` + (others ? `, and ${others} other${others > 1 ? "s" : ""}` : "");
}

function showProgress() {
  $("progress").max = toReview.length;
  $("progress").value = reviewed();
  $("progress-text").textContent = progressText();
  $("time-left").textContent = timeLeft(toReview.length - reviewed());
  $("undo").disabled = !undoable.length;
  $("export").disabled = !decisions.size;
}

function describe(record) {
  const label = record.new_label || (record.decision === "keep" ? record.label : "");
  return DECISIONS[record.decision] + (label ? `: ${visible(label)}` : "") + (record.note ? ` (${visible(record.note)})` : "");
}

function showDecision(card) {
  const record = decisions.get(card.dataset.row);
  if (record) card.dataset.decision = record.decision;
  else delete card.dataset.decision;
  for (const button of card.querySelectorAll("button[data-decision]"))
    button.setAttribute("aria-pressed", String(Boolean(record) && button.dataset.decision === record.decision));
  const verdict = card.querySelector(".verdict");
  verdict.hidden = !record;
  verdict.textContent = record ? describe(record) : "";
  const other = card.querySelector('[data-decision="relabel"] > span');
  other.textContent = record && record.decision === "relabel" ? visible(record.new_label) : "Other…";
  other.title = record ? verdict.textContent : "";
  const note = card.querySelector("button.note");
  note.disabled = !record;
  note.querySelector("span").textContent = record && record.note ? visible(record.note) : "Note…";
}

function showAll() {
  cards.forEach(showDecision);
  groups.forEach(showGroup);
  showProgress();
  showSpotCheck();
  filter();
}
