// ---- Deciding on all copies of a row: one label for all, or one is kept and the others are dropped ----

// A group's decision is one line of decisions.csv about one of its rows; `labelaudit apply` knows the others.
const groups = [...document.querySelectorAll(".copy-group")];
const membersOf = new Map(groups.map((group) => [group, JSON.parse(group.dataset.members).map(String)]));
const groupOf = new Map(groups.map((group) => [keyOfGroup(group.dataset.word, membersOf.get(group)[0]), group]));

function keyOfGroup(word, row) {
  return `${word}:${row}`;
}

const wordOf = (decision) => decision.replace(/^(drop|label)-/, ""); // copies or near-copies
const isOfGroup = (decision) => decision.endsWith("copies");

// What decisions are kept by: the row, or the group that has it.
function keyOf({ decision, row }) {
  if (!isOfGroup(decision)) return String(row);
  const word = wordOf(decision);
  const group = groups.find((one) => one.dataset.word === word && membersOf.get(one).includes(String(row)));
  return keyOfGroup(word, group ? membersOf.get(group)[0] : row);
}

// A row is decided on by itself or with its copies: whatever is decided later takes the other back.
function withoutConflicts(changes) {
  const others = [];
  for (const [key, record] of changes) {
    if (!record) continue;
    const group = groupOf.get(key);
    if (group) {
      for (const row of membersOf.get(group)) if (decisions.has(row)) others.push([row, undefined]);
    }
    const rowsOfIt = group ? membersOf.get(group) : [key];
    for (const [other, one] of groupOf) {
      const shared = other !== key && decisions.has(other) && membersOf.get(one).some((row) => rowsOfIt.includes(row));
      if (shared) others.push([other, undefined]);
    }
  }
  return [...changes, ...others];
}

function recordOfMember(member, decision, newLabel, note = "") {
  return { ...JSON.parse(member.dataset.member), decision, new_label: newLabel, note };
}

function decideGroup(group, member, decision, newLabel = "") {
  const record = recordOfMember(member, `${decision}-${group.dataset.word}`, newLabel);
  const key = keyOf(record);
  const before = decisions.get(key);
  const again = before && ["row", "decision", "new_label"].every((field) => before[field] === record[field]);
  change([[key, again ? undefined : record]]);
  say(again ? "Taken back." : `${describe(record)}.`, ` ${progressText()}.`);
}

const labelOf = (group, button) => JSON.parse(group.dataset.labels)[Number(button.dataset.groupLabel)];

function showGroup(group) {
  const record = decisions.get(keyOfGroup(group.dataset.word, membersOf.get(group)[0]));
  const verdict = group.querySelector(".group-verdict");
  verdict.hidden = !record;
  verdict.textContent = record ? describe(record) + (record.new_label ? "" : `: only ${visible(record.id)} is kept`) : "";
  for (const button of group.querySelectorAll("button[data-group-label]"))
    button.setAttribute("aria-pressed", String(Boolean(record) && record.new_label === labelOf(group, button)));
  for (const button of group.querySelectorAll("button.keep-one")) {
    const { row } = button.closest("li[data-row]").dataset;
    button.setAttribute("aria-pressed", String(Boolean(record) && !record.new_label && String(record.row) === row));
  }
}

function clickInGroup(group, button) {
  if (button.matches(".keep-one")) decideGroup(group, button.closest("li[data-row]"), "drop");
  else if (button.dataset.groupLabel !== undefined) decideGroup(group, group.querySelector("li[data-row]"), "label", labelOf(group, button));
}

// Keys while a group has the focus: a digit for a label, d to keep the first, and the arrows to other groups.
function keyInGroup(group, event) {
  if (event.altKey || event.metaKey || event.ctrlKey || !keysOn) return;
  const key = event.key.toLowerCase();
  const label = group.querySelectorAll("button[data-group-label]")[Number(key) - 1];
  const by = { j: 1, n: 1, arrowright: 1, arrowdown: 1, p: -1, arrowleft: -1, arrowup: -1 }[key];
  if (label) clickInGroup(group, label);
  else if (key === "d") decideGroup(group, group.querySelector("li[data-row]"), "drop");
  else if (by) groups[Math.min(Math.max(groups.indexOf(group) + by, 0), groups.length - 1)].focus();
  else if (!Object.hasOwn(DECIDING, key)) return; // those are of a card, and not meant
  event.preventDefault();
  event.stopPropagation();
}

for (const group of groups) {
  group.tabIndex = 0;
  group.querySelector(".group-actions").hidden = false;
  for (const button of group.querySelectorAll("button.keep-one")) button.hidden = false;
  group.addEventListener("keydown", (event) => keyInGroup(group, event));
  group.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) clickInGroup(group, button);
  });
}
