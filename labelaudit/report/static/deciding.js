// ---- Deciding on a row ----

let newClass = null; // a name that no row has, typed once; a second Enter makes it a class

function decide(card, decision, newLabel = "") {
  const row = rows.get(card.dataset.row);
  if (decision === "accept") {
    if (card.classList.contains("blind")) return say("The suggestion is hidden until you decide: w if the label is wrong, k to keep it.");
    if (row.suggested < 0) return say("There is no suggestion to accept: choose another label with o.");
    newLabel = name(row.suggested);
  }
  const list = shown();
  const at = list.indexOf(card);
  const before = decisions.get(card.dataset.row);
  const record = recordOf(row, decision, newLabel, before ? before.note : "");
  keepTime();
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

function request(decision, card) {
  if (decision === "relabel") choose(card);
  else if (decision === "wrong") callWrong(card);
  else decide(card, decision);
}

// Accept what is suggested for each of some rows that are not decided on; one undo takes all of it back.
function acceptAll(list) {
  const accepted = list.filter((card) => !decisions.has(card.dataset.row) && rows.get(card.dataset.row).suggested >= 0);
  if (!accepted.length) return say("Nothing is left to accept here.");
  change(
    accepted.map((card) => {
      const row = rows.get(card.dataset.row);
      return [card.dataset.row, recordOf(row, "accept", name(row.suggested))];
    }),
  );
  filter();
  say(`${accepted.length} accepted; z undoes all of them.`, ` ${progressText()}.`);
  focusCurrent();
}

// ---- Dialogs. After one is closed, the keys are the current row's at once. ----

function closeDialog(dialog) {
  dialog.close();
  focusCurrent();
}

function choose(card) {
  const row = rows.get(card.dataset.row);
  select(card, false);
  newClass = null;
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
  if (label === name(row.given)) $("chooser-error").textContent = "That is the label it has: keep it with k.";
  else if (label !== null) relabel(label);
  else if (!typed.trim()) $("chooser-error").textContent = "Choose a class, or name a new one.";
  else if (newClass === typed.trim()) relabel(newClass);
  else {
    newClass = typed.trim();
    $("chooser-error").textContent = `No row is called ${visible(newClass)} yet. Press Enter again to make it a new class.`;
  }
}

function relabel(label) {
  $("chooser").close();
  decide(current, "relabel", label);
  focusCurrent();
}

function openNote(card) {
  if (!decisions.has(card.dataset.row)) return say("Decide on the row first; a note goes with a decision.");
  select(card, false);
  $("note-text").value = decisions.get(card.dataset.row).note;
  $("noting").showModal();
  $("note-text").focus();
}

function noted(event) {
  event.preventDefault();
  const record = decisions.get(current.dataset.row);
  change([[current.dataset.row, { ...record, note: $("note-text").value.trim() }]]);
  closeDialog($("noting"));
  say("Noted.");
}

// (An autofocus attribute would also be looked at while the page loads, when a row may have the focus already.)
function showHelp() {
  $("help").showModal();
  $("help").querySelector("button").focus();
}

function enlarge(picture) {
  $("zoom-picture").src = picture.src;
  $("zoom-picture").alt = picture.alt;
  $("zoom-picture").className = picture.className;
  $("zoom").showModal();
}
