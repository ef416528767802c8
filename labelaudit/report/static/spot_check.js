// ---- Spot check: suspects drawn at random, decided on without knowing the suggestion ----

const CONFIDENCE = 0.95;

let spotChecking = false;
let viewBefore = "cards";
const calledWrong = new Set(); // rows whose suggestion may be seen, to name the right label

// P(at least k of n are wrong), if each is wrong with probability p.
function atLeast(k, n, p) {
  let term = (1 - p) ** n; // of 0 wrong ones
  let below = 0;
  for (let i = 0; i < k; i++) {
    below += term;
    term *= ((n - i) / (i + 1)) * (p / (1 - p));
  }
  return 1 - below;
}

// The one-sided Clopper–Pearson bound: the smallest share under which as many wrong ones are not improbable.
function wrongAtLeast(k, n) {
  let [low, high] = [0, 1];
  if (k === 0) return 0;
  if (k === n) return (1 - CONFIDENCE) ** (1 / n);
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (atLeast(k, n, middle) < 1 - CONFIDENCE) low = middle;
    else high = middle;
  }
  return low;
}

function spotTally() {
  const decided = data.spot.map((row) => decisions.get(String(row))).filter(Boolean);
  const wrong = decided.filter((record) => CALLS_WRONG.includes(record.decision)).length;
  const unsure = decided.filter((record) => record.decision === "unsure").length;
  return { checked: decided.length, wrong, unsure, left: data.spot.length - decided.length };
}

function spotText({ checked, wrong, unsure, left }) {
  const verb = wrong === 1 ? "was" : "were";
  const counted = `${wrong} of ${checked} ${verb} wrong` + (unsure ? `, ${unsure} unsure, which count as right` : "");
  if (left) return `${counted}; ${left} left`;
  if (checked === data.suspects) return `${counted}: the whole list`;
  return `${counted}: at least ${Math.floor(100 * wrongAtLeast(wrong, checked))}% of the list (95%)`;
}

function showSpotCheck() {
  const tally = spotTally();
  const result = $("spot-result");
  if (!result) return; // there are no suspects
  result.hidden = !spotChecking && tally.left > 0;
  result.querySelector("b").textContent = spotText(tally);
  $("spot-open").setAttribute("aria-pressed", String(spotChecking));
  $("spot-open").textContent = spotChecking ? "End spot check" : `Spot check ${data.spot.length}`;
}

function startSpotCheck() {
  spotChecking = true;
  viewBefore = view();
  document.body.classList.add("spot-check");
  filter();
  showSpotCheck();
  const list = shown();
  select(list.find((card) => !decisions.has(card.dataset.row)) || list[0], false);
  setView("one");
  say("Is the label right? Keep it with k; w if it is wrong, then say what it is.");
}

function endSpotCheck() {
  spotChecking = false;
  document.body.classList.remove("spot-check");
  filter();
  showSpotCheck();
  setView(viewBefore);
}

function callWrong(card) {
  if (!card.classList.contains("blind")) return;
  calledWrong.add(rows.get(card.dataset.row).row);
  card.classList.remove("blind");
  select(card);
  say("Wrong, then. What is it? Accept the suggestion with a, name another with o, or drop the row with d.");
}
