// ---- Moving from row to row ----

// In the spot check the rows come in an order that does not tell what is thought of them.
const shown = () =>
  spotChecking
    ? spotChecking.map((row) => cardOf.get(String(row))).filter((card) => !card.hidden)
    : sections.flatMap((section) => [...section.querySelectorAll(".card:not([hidden])")]);

function select(card, focus = true) {
  if (current) {
    current.classList.remove("current");
    current.removeAttribute("aria-current");
  }
  current = card;
  for (const section of sections) section.classList.toggle("has-current", Boolean(card) && section.contains(card));
  if (!card) return;
  card.classList.add("current");
  card.setAttribute("aria-current", "true");
  if (focus) focusCurrent();
}

function focusCurrent() {
  if (!current) return;
  current.focus({ preventScroll: true });
  current.scrollIntoView({ block: "nearest" });
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

function goTo(event, row) {
  const card = cardOf.get(row);
  event.preventDefault();
  if (!card) return say("This row is not in this page; report.parquet has it.");
  if (spotChecking) endSpotCheck();
  if (card.hidden) {
    clearFilters();
    filter();
    if (card.hidden) return say("This row is one of the spot check's.");
  }
  select(card);
}
