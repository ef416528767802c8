// ---- Which rows are shown, and in which order ----

const byRank = (a, b) => a.rank - b.rank;
const ORDERS = {
  rank: byRank,
  score: (a, b) => b.score - a.score || byRank(a, b),
  influence: (a, b) => a.influence - b.influence || byRank(a, b),
  label: (a, b) => name(a.given).localeCompare(name(b.given), undefined, { numeric: true }) || byRank(a, b),
  pair: (a, b) => pairSize(b) - pairSize(a) || a.given - b.given || a.suggested - b.suggested || byRank(a, b),
};

const pairOf = (row) => `${row.given}-${row.suggested}`;
const pairSizes = new Map();
for (const row of suspects) pairSizes.set(pairOf(row), (pairSizes.get(pairOf(row)) || 0) + 1);
const pairSize = (row) => pairSizes.get(pairOf(row)) || 0;

function sort() {
  const order = ORDERS[$("sort").value];
  for (const heading of document.querySelectorAll(".pair")) heading.remove();
  for (const section of sections) {
    const list = section.querySelector(".cards");
    const ordered = cards.filter((card) => list.contains(card));
    ordered.sort((a, b) => order(rows.get(a.dataset.row), rows.get(b.dataset.row)));
    list.append(...ordered);
  }
  if ($("sort").value === "pair") headPairs();
}

// Before the suspects of each pair of classes, a heading with a button that accepts them all.
function headPairs() {
  let before = null;
  for (const card of document.querySelectorAll("#suspects .card")) {
    const row = rows.get(card.dataset.row);
    if (pairOf(row) !== before) card.before(pairHeading(row));
    before = pairOf(row);
  }
}

function pairHeading(row) {
  const heading = $("pair-heading").content.firstElementChild.cloneNode(true);
  heading.dataset.of = pairOf(row);
  heading.querySelector("h3").textContent = `${visible(name(row.given))} → ${visible(name(row.suggested)) || "no suggestion"}`;
  return heading;
}

const cardsOfPair = (heading) =>
  [...heading.parentNode.querySelectorAll(".card:not([hidden])")].filter((card) => pairOf(rows.get(card.dataset.row)) === heading.dataset.of);

function showPairs() {
  for (const heading of document.querySelectorAll(".pair")) {
    const shownCards = cardsOfPair(heading);
    const open = shownCards.filter((card) => !decisions.has(card.dataset.row)).length;
    heading.hidden = !shownCards.length || Boolean(spotChecking);
    const button = heading.querySelector("button");
    button.textContent = `Accept all ${open} shown`;
    button.disabled = !open || heading.dataset.of.endsWith("--1");
  }
}

function filter() {
  const pair = $("pair").value;
  const state = $("state").value;
  const search = $("search").value.toLowerCase();
  const drawn = new Set(spotChecking || []);
  for (const card of cards) {
    const row = rows.get(card.dataset.row);
    const record = decisions.get(card.dataset.row);
    card.hidden = spotChecking
      ? !drawn.has(row.row)
      : (!record && $("drawn") && $("drawn").contains(card)) || // nobody is to see beforehand what is thought of them
        !(
          (!pair || pair === pairOf(row)) &&
          row.id.toLowerCase().includes(search) &&
          (!state || (state === "none" ? !record : record && (state === "any" || state === record.decision)))
        );
    card.classList.toggle("blind", Boolean(spotChecking) && !record && !calledWrong.has(row.row));
  }
  for (const section of sections) {
    const all = section.querySelectorAll(".card");
    const left = [...all].filter((card) => !card.hidden).length;
    section.hidden = !left;
    section.querySelector("[data-count]").textContent = left === all.length ? left : `${left} of ${all.length}`;
  }
  showPairs();
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
  if (spotChecking) endSpotCheck();
  clearFilters();
  $("pair").value = pair;
  // Rows of a pair may lie beyond those embedded.
  if ($("pair").value !== pair) return say("None of these rows is in this page; report.parquet has them.");
  filterAnew();
  select(shown()[0]);
}
