// ---- Keys, clicks, and the beginning ----

let keysOn = true;

const DECIDING = { a: "accept", k: "keep", u: "unsure", o: "relabel", d: "drop", w: "wrong" };
const KEYS = {
  ...Object.fromEntries(Object.entries(DECIDING).map(([key, decision]) => [key, () => request(decision, current)])),
  c: () => openNote(current),
  j: () => move(1),
  n: () => move(1),
  p: () => move(-1),
  v: () => setView(VIEWS[(VIEWS.indexOf(view()) + 1) % VIEWS.length]),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => moveVertically(1),
  ArrowUp: () => moveVertically(-1),
  z: undo,
  "?": showHelp,
};

// Until the next frame, the focus may still be in a dialog that is closed: what is typed then is meant for the row.
function isTyping(target) {
  const dialog = target.closest("dialog");
  return dialog ? dialog.open : Boolean(target.closest("input, select, textarea"));
}

document.addEventListener("keydown", (event) => {
  const { target } = event;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // caps lock
  if (event.altKey || event.metaKey || event.ctrlKey || !keysOn || !Object.hasOwn(KEYS, key)) return;
  if (isTyping(target)) return;
  // Arrows scroll the page unless a row has the focus.
  if (key.startsWith("Arrow") && !target.closest(".card")) return;
  event.preventDefault();
  if (event.repeat && (key in DECIDING || key === "z")) return;
  if (key in DECIDING || key === "c") {
    if (!current) return;
    // Nobody decides on what they cannot see.
    if (!inView(current)) return select(current);
  }
  KEYS[key]();
});

document.addEventListener("click", (event) => {
  const { target } = event;
  const button = target.closest("button[data-decision], [data-pair], [data-goto], button.note, button.accept-all, button.zoom");
  const card = target.closest(".card");
  if (!button) return;
  if (button.dataset.decision) {
    if (button.getAttribute("aria-pressed") === "true" && button.dataset.decision !== "relabel") takeBack(card);
    else request(button.dataset.decision, card);
  } else if (button.dataset.pair) showPair(button.dataset.pair);
  else if (button.dataset.goto) goTo(event, button.dataset.goto);
  else if (button.matches(".note")) openNote(card);
  else if (button.matches(".zoom")) enlarge(button.querySelector("img"));
  else acceptAll(cardsOfPair(button.closest(".pair")));
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
$("view").addEventListener("change", () => setView($("view").value));
$("undo").addEventListener("click", undo);
$("export").addEventListener("click", exportCsv);
$("import").addEventListener("click", () => $("import-file").click());
$("import-file").addEventListener("change", async ({ target }) => {
  if (target.files.length) importCsv(await target.files[0].text());
  target.value = "";
});
$("help-open").addEventListener("click", showHelp);
$("help").querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), closeDialog($("help"))));
$("keys-on").addEventListener("change", ({ target }) => (keysOn = target.checked));
$("chooser-form").addEventListener("submit", chosen);
$("chooser-cancel").addEventListener("click", () => closeDialog($("chooser")));
$("note-form").addEventListener("submit", noted);
$("note-cancel").addEventListener("click", () => closeDialog($("noting")));
$("zoom").addEventListener("click", () => closeDialog($("zoom")));
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", focusCurrent); // by Escape
if ($("spot-open")) $("spot-open").addEventListener("click", () => toggleSpotCheck(data.spot.rows));
if ($("spot-list")) $("spot-list").addEventListener("click", () => toggleSpotCheck(data.spot.list));
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
$("bar").hidden = $("fold").hidden = false;
$("no-storage").hidden = Boolean(storage);
load();
sort(); // a reloaded page may keep its selects
showAll();
const narrow = matchMedia("(max-width: 700px)").matches;
$("fold").open = !narrow;
showView(narrow ? "one" : "cards");
watchSwipes();
