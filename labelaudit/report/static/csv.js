// ---- decisions.csv ----

const COLUMNS = ["id", "row", "content_hash", "label", "decision", "new_label", "note"];
const OLD_COLUMNS = COLUMNS.slice(0, -1); // of pages that had no notes

// A spreadsheet would run a cell that begins like a formula; `labelaudit apply` takes the apostrophe off again.
const guarded = (text) => (/^[=+\-@'\t\r]/.test(text) ? "'" + text : text);
const unguarded = (text) => (/^'[=+\-@'\t\r]/.test(text) ? text.slice(1) : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function toCsv() {
  const records = [...decisions.values()].sort((a, b) => a.row - b.row);
  const lines = records.map((record) => COLUMNS.map((column) => quoted(guarded(String(record[column])))).join(","));
  return [COLUMNS.join(","), ...lines, ""].join("\r\n");
}

function exportCsv() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv;charset=utf-8" }));
  link.download = "decisions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`${decisions.size} decisions exported.`);
}

function parseCsv(text) {
  const records = [[""]];
  let inQuotes = false;
  const source = text.replace(/^\ufeff/, "");
  for (let i = 0; i < source.length; i++) {
    const c = source[i];
    const record = records[records.length - 1];
    if (inQuotes) {
      if (c !== '"') record[record.length - 1] += c;
      else if (source[i + 1] === '"') record[record.length - 1] += source[++i];
      else inQuotes = false;
    } else if (c === '"') inQuotes = true;
    else if (c === ",") record.push("");
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && source[i + 1] === "\n") i++;
      records.push([""]);
    } else record[record.length - 1] += c;
  }
  return records.filter((record) => record.length > 1 || record[0]);
}

const isSameRow = (one, other) => ["id", "content_hash", "label"].every((column) => one[column] === other[column]);

// What a line of another decisions.csv means here, or nothing if it is about something else.
function understood(line) {
  const record = Object.fromEntries(COLUMNS.map((column, i) => [column, unguarded(line[i] || "")]));
  const row = rows.get(record.row);
  if (isOfGroup(record.decision)) return understoodOfGroup(record);
  const here = row && recordOf(row, record.decision, record.new_label, record.note);
  const same = here && isSameRow(here, record);
  const { decision, new_label: label } = record;
  const valid =
    (decision === "accept" && row && row.suggested >= 0 && label === name(row.suggested)) ||
    (decision === "relabel" && label.trim() !== "") ||
    (["keep", "unsure", "drop"].includes(decision) && label === "");
  return same && valid ? here : null;
}

function understoodOfGroup(record) {
  const member = groups
    .filter((group) => group.dataset.word === wordOf(record.decision))
    .flatMap((group) => [...group.querySelectorAll("li[data-row]")])
    .find((one) => one.dataset.row === record.row);
  const here = member && recordOfMember(member, record.decision, record.new_label, record.note);
  const same = here && isSameRow(here, record);
  const valid = record.decision.startsWith("label-") === (record.new_label.trim() !== "");
  return same && valid && Object.hasOwn(DECISIONS, record.decision) ? here : null;
}

function importCsv(text) {
  const [header, ...lines] = parseCsv(text);
  if (!header || ![COLUMNS, OLD_COLUMNS].some((columns) => header.join() === columns.join()))
    return say(`Not a decisions.csv: expected the columns ${COLUMNS.join(", ")}.`);
  const found = lines.map(understood).filter(Boolean);
  if (found.length) change(found.map((record) => [keyOf(record), record]));
  filter();
  const skipped = lines.length - found.length;
  say(`${found.length} decisions imported` + (skipped ? `, ${skipped} left out: not about rows of this page.` : "."));
}
