// ---- Decisions: what they are, how they are kept, and undone ----

const DECISIONS = { accept: "Accepted", keep: "Kept", unsure: "Unsure", relabel: "Relabelled", drop: "Dropped",
  "drop-copies": "Copies dropped", "label-copies": "Label for all", "drop-near-copies": "Near copies dropped", "label-near-copies": "Label for all" };
const CALLS_WRONG = ["accept", "relabel", "drop"];

// row, or group of copies → what decisions.csv says of it; kept whole, for another rendering of this report may not show the row.
let decisions = new Map();
const undoable = []; // each a list of [row, decision before it]

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
    for (const record of stored)
      if (Object.hasOwn(DECISIONS, record.decision)) decisions.set(keyOf(record), { note: "", ...record });
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

function recordOf(row, decision, newLabel, note = "") {
  const { id, hash } = row;
  return { id, row: row.row, content_hash: hash, label: name(row.given), decision, new_label: newLabel, note };
}

// changes: [row, record, or undefined to take the decision back]
function change(asked) {
  const changes = withoutConflicts(asked);
  undoable.push(changes.map(([row]) => [row, decisions.get(row)]));
  apply(changes);
}

function apply(changes) {
  for (const [row, record] of changes) {
    if (record) decisions.set(row, record);
    else decisions.delete(row);
    if (cardOf.has(row)) showDecision(cardOf.get(row));
    if (groupOf.has(row)) showGroup(groupOf.get(row));
  }
  save();
  showProgress();
  showSpotCheck();
}

function undo() {
  const changes = undoable.pop();
  if (!changes) return say("Nothing to undo.");
  apply(changes);
  filter();
  const card = cardOf.get(changes[0][0]);
  if (card && !card.hidden) select(card);
  say(changes.length > 1 ? `${changes.length} decisions undone.` : "Undone.", ` ${progressText()}.`);
}
