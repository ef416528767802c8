// ---- Spot check: rows drawn at random, decided on without knowing the suggestion ----
//
// The same figures as labelaudit.detection.spot_check, which says what they mean.

const CONFIDENCE = 0.95;
const LEVEL = 0.9;
const PRIOR = 0.5; // Jeffreys'
const CELLS = 20000; // of the numerical integral

let spotChecking = null; // the rows that are looked at
let viewBefore = "cards";
const calledWrong = new Set(); // rows whose suggestion may be seen, to name the right label

// A quantile of the Beta distribution: with x = sin² t, its density is smooth for a, b ≥ ½.
function betaQuantile(quantile, a, b) {
  const logs = Array.from({ length: CELLS }, (_, cell) => {
    const t = ((cell + 0.5) * Math.PI) / 2 / CELLS;
    return (2 * a - 1) * Math.log(Math.sin(t)) + (2 * b - 1) * Math.log(Math.cos(t));
  });
  const highest = logs.reduce((high, value) => Math.max(high, value), -Infinity);
  const weights = logs.map((value) => Math.exp(value - highest));
  let left = quantile * weights.reduce((sum, weight) => sum + weight, 0);
  const cell = weights.findIndex((weight) => (left -= weight) <= 0);
  const within = 1 + left / weights[cell];
  return Math.sin(((cell + within) * Math.PI) / 2 / CELLS) ** 2;
}

// The one-sided Clopper–Pearson bound: the smallest share under which as many wrong ones are not improbable.
const wrongAtLeast = (k, n) => (k ? betaQuantile(1 - CONFIDENCE, k, n - k + 1) : 0);

const callsWrong = (row) => CALLS_WRONG.includes(decisions.get(String(row)).decision);
const isUnsure = (row) => decisions.get(String(row)).decision === "unsure";

// What was found in a stratum: of the drawn rows up to the first that is open, and of others apart from these.
function lookedAt(stratum, index) {
  const open = stratum.drawn.findIndex((row) => !decisions.has(String(row)));
  const drawn = open < 0 ? stratum.drawn : stratum.drawn.slice(0, open);
  const sure = drawn.filter((row) => !isUnsure(row));
  const wrong = sure.filter(callsWrong).length;
  const counted = new Set(drawn);
  const others = data.rows
    .filter((row) => row.stratum === index && !counted.has(row.row) && decisions.has(String(row.row)) && !isUnsure(row.row))
    .map((row) => row.row);
  const othersWrong = others.filter(callsWrong).length;
  return {
    rows: stratum.rows, checked: drawn.length, wrong, right: sure.length - wrong, unsure: drawn.length - sure.length,
    othersWrong, othersRight: others.length - othersWrong,
  };
}

function totalWrong(looked, unsureWrong) {
  const wrong = looked.wrong + unsureWrong * looked.unsure;
  const right = looked.right + (1 - unsureWrong) * looked.unsure;
  const unseen = looked.rows - looked.othersWrong - looked.othersRight - looked.checked;
  const strength = wrong + right + 2 * PRIOR;
  const p = (wrong + PRIOR) / strength;
  return { mean: looked.othersWrong + wrong + unseen * p, variance: (unseen * p * (1 - p) * (strength + unseen)) / (strength + 1) };
}

// The share of wrong labels in all scored rows, with its range.
function shareWrong(strata) {
  const sum = (list) => list.reduce((total, value) => total + value, 0);
  const { reviewedWrong, reviewedRight } = data.spot;
  const count = reviewedWrong + reviewedRight + sum(strata.map((looked) => looked.rows));
  const filled = strata.filter((looked) => looked.rows);
  const end = (unsureWrong, quantile) => {
    const totals = filled.map((looked) => totalWrong(looked, unsureWrong));
    const mean = (reviewedWrong + sum(totals.map((total) => total.mean))) / count;
    const variance = sum(totals.map((total) => total.variance)) / count ** 2;
    if (variance <= 0) return mean;
    const strength = (mean * (1 - mean)) / variance - 1;
    return betaQuantile(quantile, mean * strength, (1 - mean) * strength);
  };
  const expected = filled.map((looked) => {
    const sure = looked.wrong + looked.right;
    const left = looked.rows - looked.othersWrong - looked.othersRight;
    return looked.othersWrong + left * (sure ? looked.wrong / sure : PRIOR);
  });
  const foundWrong = reviewedWrong + sum(filled.map((looked) => looked.wrong + looked.othersWrong));
  const foundRight = reviewedRight + sum(filled.map((looked) => looked.right + looked.othersRight));
  const low = Math.max(end(0, (1 - LEVEL) / 2), foundWrong / count);
  const high = Math.min(end(1, (1 + LEVEL) / 2), 1 - foundRight / count);
  const share = Math.min(Math.max((reviewedWrong + sum(expected)) / count, low), high);
  return { share, low, high };
}

const percentOf = (share) => `${(100 * share).toFixed(1)}%`;

function ofList(looked) {
  const counted = `${looked.wrong} of ${looked.checked} suspect${looked.checked === 1 ? "" : "s"} ${looked.wrong === 1 ? "was" : "were"} wrong`;
  const said = counted + (looked.unsure ? `, ${looked.unsure} unsure, which count as right` : "");
  if (looked.checked === looked.rows) return `${said}: the whole list`;
  return `${said}: at least ${Math.floor(100 * wrongAtLeast(looked.wrong, looked.checked))}% of the list (95%)`;
}

function spotText() {
  const strata = data.spot.strata.map(lookedAt);
  const left = (drawn) => drawn.filter((row) => !decisions.has(String(row))).length;
  const said = [];
  const enough = Math.min(data.spot.list.length, strata[0].rows);
  const done = strata.every((looked, index) => looked.checked >= data.spot.strata[index].first);
  if (strata[0].checked && (done || strata[0].checked >= enough)) said.push(ofList(strata[0]));
  if (done) {
    const { share, low, high } = shareWrong(strata);
    const rowsLooked = strata.reduce((sum, looked) => sum + looked.checked, 0);
    said.push(
      `by all ${rowsLooked} rows drawn, ${percentOf(low)} to ${percentOf(high)} of the labels are wrong (90% range, best guess ${percentOf(share)})`,
    );
  }
  if (spotChecking && left(spotChecking)) said.push(`${left(spotChecking)} left. Is the label right? Keep it with k; w if it is wrong`);
  return said.join("; ");
}

function showSpotCheck() {
  const result = $("spot-result");
  if (!result) return; // nothing was drawn
  const text = spotText();
  result.hidden = !text;
  result.querySelector("b").textContent = text;
  for (const [id, drawn, words] of [["spot-open", data.spot.rows, "Spot check #"], ["spot-list", data.spot.list, "Check # suspects"]]) {
    if (!$(id)) continue;
    const on = spotChecking === drawn;
    $(id).setAttribute("aria-pressed", String(on));
    $(id).textContent = on ? "End spot check" : words.replace("#", drawn.length);
  }
}

function startSpotCheck(drawn) {
  if (!spotChecking) viewBefore = view();
  spotChecking = drawn;
  document.body.classList.add("spot-check");
  filter();
  showSpotCheck();
  const list = shown();
  select(list.find((card) => !decisions.has(card.dataset.row)) || list[0], false);
  setView("one");
  say("Is the label right? Keep it with k; w if it is wrong, then say what it is.");
}

function endSpotCheck() {
  spotChecking = null;
  document.body.classList.remove("spot-check");
  filter();
  showSpotCheck();
  setView(viewBefore);
}

const toggleSpotCheck = (drawn) => (spotChecking === drawn ? endSpotCheck() : startSpotCheck(drawn));

function callWrong(card) {
  if (!card.classList.contains("blind")) return;
  calledWrong.add(rows.get(card.dataset.row).row);
  card.classList.remove("blind");
  select(card);
  say("Wrong, then. What is it? Accept the suggestion with a, name another with o, or drop the row with d.");
}
