// The page: what can be chosen, the panels, and the table.
"use strict";

const island = JSON.parse(document.getElementById("rows").textContent);
const rows = rowsOf(island.columns);
const choice = { measure: ALL, figure: ALL, input: ALL, group: null, x: island.x };
const hidden = new Set();
const selects = {};

const GENERAL = {
  measure: [["all measures", ALL]],
  group: [["all rows of an input", null], ["every group", ALL]],
  input: [["all inputs", ALL]],
  figure: [["first of each measure", ALL]],
};

/** Fill the selects again: what there is to choose depends on the choices before. */
function offer() {
  let left = rows;
  for (const [name, stage] of Object.entries(STAGES)) {
    const there = named(distinct(left, name).filter(value => value !== null));
    const general = GENERAL[name].slice(0, there.length ? undefined : 1);
    offerIn(name, [...general, ...there]);
    left = stage(left, choice[name]);
  }
}

function named(values) {
  return values.map(value => [String(value), value]);
}

function offerIn(name, options) {
  if (!options.some(([, value]) => value === choice[name])) choice[name] = options[0][1];
  selects[name].replaceChildren(...options.map(([label, value]) => {
    const option = made("option", {}, label);
    option.choice = value;
    option.selected = value === choice[name];
    return option;
  }));
  selects[name].disabled = options.length < 2;
}

function choices() {
  const labels = Object.keys(STAGES).map(name => {
    selects[name] = made("select", {
      onchange: () => {
        choice[name] = selects[name].selectedOptions[0].choice;
        offer();
        draw();
      },
    });
    return made("label", {}, name, selects[name]);
  });
  const known = rows.some(row => row.tokens_seen !== null);
  const axes = ["step", "tokens"].map(x => {
    const radio = made("input", {
      type: "radio", name: "x", value: x,
      onchange: () => {
        choice.x = x;
        draw();
      },
    });
    radio.checked = x === choice.x;
    radio.disabled = x === "tokens" && !known;
    return made("label", {}, radio, x);
  });
  const fields = made("fieldset", {}, made("legend", {}, "x axis"), ...axes);
  return made("div", { class: "choices" }, ...labels, fields);
}

/** Draw all panels. focused: the curve whose button was used, which keeps the focus. */
function draw() {
  const panels = panelsOf(rows, choice);
  const elements = panels.map((panel, i) => panelElement(panel, choice.x, hidden, name => {
    draw();
    const j = panels[i].curves.findIndex(curve => curve.name === name);
    document.querySelectorAll(".panel")[i].querySelectorAll(".legend button")[j].focus();
  }));
  const nothing = made("p", { class: "note" }, "The sweep has no such figures.");
  document.getElementById("panels").replaceChildren(...(elements.length ? elements : [nothing]));
}

document.getElementById("choices").append(choices());
offer();
draw();
document.getElementById("table").append(tableOf(rows, Object.keys(island.columns)));
