// ---- How the rows are laid out: as cards, as a compact list, or one at a time ----

const VIEWS = ["cards", "list", "one"];
const SWIPE = 60; // CSS pixels

function showView(view) {
  for (const each of VIEWS) document.body.classList.toggle(`view-${each}`, each === view);
  $("view").value = view;
}

function setView(view) {
  showView(view);
  focusCurrent();
}

const view = () => VIEWS.find((each) => document.body.classList.contains(`view-${each}`));

// A swipe to the left brings the next row, one to the right the row before.
function watchSwipes() {
  let from = null;
  const main = document.querySelector("main");
  main.addEventListener("touchstart", ({ touches }) => (from = touches.length === 1 ? touches[0] : null), { passive: true });
  main.addEventListener("touchend", ({ changedTouches }) => {
    if (!from || view() !== "one") return;
    const x = changedTouches[0].clientX - from.clientX;
    const y = changedTouches[0].clientY - from.clientY;
    from = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) move(x < 0 ? 1 : -1);
  });
}
