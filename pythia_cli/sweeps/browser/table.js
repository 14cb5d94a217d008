// The table of all rows: sorted, filtered, and only what is seen is in the document.
"use strict";

const ROW_HEIGHT = 26, EXTRA_ROWS = 12;  // ROW_HEIGHT: as in page.css

/** The order of two cells: numbers by size, texts as people sort them. */
const collator = new Intl.Collator("en", { numeric: true });
function compared(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

/** Places of the rows that have all words of the filter, sorted by a column; missing ones last. */
function placesOf(rows, texts, filter, column, ascending) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const places = [];
  for (let i = 0; i < rows.length; i++) if (words.every(word => texts[i].includes(word))) places.push(i);
  if (column === null) return places;
  const sign = ascending ? 1 : -1;
  return places.sort((i, j) => {
    const a = rows[i][column], b = rows[j][column];
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    return sign * compared(a, b) || i - j;
  });
}

/** The width of a column in characters: that of its longest cell, within bounds. */
function widthOf(rows, name) {
  const longest = rows.reduce((n, row) => Math.max(n, row[name] === null ? 0 : String(row[name]).length), 0);
  return Math.min(Math.max(longest, name.length + 2), 24) + 3;
}

function tableOf(rows, columns) {
  const numeric = new Set(columns.filter(name => rows.some(row => typeof row[name] === "number")));
  const texts = rows.map(row => columns.map(name => row[name] === null ? "" : String(row[name])).join("\n").toLowerCase());
  let column = null, ascending = true, places = rows.map((_, i) => i), from = -1;
  const count = made("span", { class: "note", role: "status" });
  const filter = made("input", { type: "search", placeholder: "pairs pythia-70m 3000" });
  const heads = columns.map(name => made("th", { scope: "col", class: numeric.has(name) ? "number" : "" },
    made("button", { type: "button", onclick: () => sortBy(name) }, name)));
  const widths = columns.map(name => made("col", { style: `width:${widthOf(rows, name)}ch` }));
  const body = made("tbody");
  const table = made("table", { "aria-rowcount": rows.length + 1 },
    made("colgroup", {}, ...widths), made("thead", {}, made("tr", {}, ...heads)), body);
  table.style.width = `${columns.reduce((sum, name) => sum + widthOf(rows, name), 0)}ch`;
  const box = made("div", { class: "rows", tabindex: "0" }, table);

  const space = n => {
    const cell = made("td", { colspan: columns.length });
    cell.style.height = `${n * ROW_HEIGHT}px`;
    return made("tr", { class: "space", "aria-hidden": "true" }, cell);
  };
  const line = (place, i) => made("tr", { "aria-rowindex": i + 2 }, ...columns.map(name => {
    const value = rows[place][name], text = value === null ? "" : String(value);
    return made("td", { class: numeric.has(name) ? "number" : "", title: text }, text);
  }));
  const show = () => {
    const n = Math.ceil(box.clientHeight / ROW_HEIGHT) + 2 * EXTRA_ROWS;
    const begin = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - EXTRA_ROWS);
    const first = begin - begin % EXTRA_ROWS;
    if (first === from) return;
    from = first;
    const end = Math.min(places.length, first + n + EXTRA_ROWS);
    const seen = places.slice(first, end).map((place, i) => line(place, first + i));
    body.replaceChildren(space(first), ...seen, space(places.length - end));
  };
  const change = () => {
    places = placesOf(rows, texts, filter.value, column, ascending);
    const n = places.length.toLocaleString("en"), all = rows.length.toLocaleString("en");
    count.textContent = places.length === rows.length ? `${all} rows` : `${n} of ${all} rows`;
    from = -1;
    box.scrollTop = 0;
    show();
  };
  function sortBy(name) {
    ascending = column === name ? !ascending : true;
    column = name;
    columns.forEach((other, i) => {
      const mark = other !== name ? "" : ascending ? " ▲" : " ▼";
      heads[i].firstChild.textContent = other + mark;
      if (mark) heads[i].setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else heads[i].removeAttribute("aria-sort");
    });
    change();
  }
  filter.addEventListener("input", change);
  box.addEventListener("scroll", show);
  new ResizeObserver(() => {
    from = -1;
    show();
  }).observe(box);
  change();
  return made("div", {}, made("div", { class: "choices" }, made("label", {}, "Filter ", filter), count), box);
}
