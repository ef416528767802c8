// ---- The page's rows and cards, and small helpers ----

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const cards = [...document.querySelectorAll(".card")];
const rows = new Map(data.rows.map((row) => [String(row.row), row]));
const cardOf = new Map(cards.map((card) => [card.dataset.row, card]));
const sections = [...document.querySelectorAll(".group")];
const suspects = data.rows.filter((row) => row.suspect);
const toReview = suspects.length ? suspects : data.rows;

let current = null; // the card that keys act on

const name = (index) => (index < 0 ? "" : data.classes[index]);

// Characters that cannot be seen, or turn the writing around, are written out, as on the rest of the page.
const visible = (text) =>
  text.replace(/[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    const code = c.charCodeAt(0);
    return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
  });

function say(text, progress = "") {
  $("live").textContent = text + progress; // seen beside it already
  $("toast").textContent = $("toast").title = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => ($("toast").textContent = ""), 6000);
}
