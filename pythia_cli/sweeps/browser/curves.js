// From rows to panels of curves. Touches no document.
"use strict";

const CERTIFICATE = "certificate", ERROR_FIGURE = "kl_mean";
const LINEAR_DECADES = 0.6, SPREAD_OF_LOG = 30;
const N_COLOURS = 7, DASHES = ["", "7 3", "2 2.5", "9 3 2 3"];
const PARTS = ["model", "input", "group", "precision", "quantization"];
const MISSING = { group: "all", quantization: "not quantized" };
const ALL = { all: true };  // every measure, every input, every group, the first figure

/** Rows as objects. A column is a list of numbers, or of places in a list of other values. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  const n = names.length ? (columns[names[0]].of || columns[names[0]]).length : 0;
  const rows = Array.from({ length: n }, () => ({}));
  for (const name of names) {
    const { of, values } = columns[name];
    for (let i = 0; i < n; i++) rows[i][name] = of ? values[of[i]] : columns[name][i];
  }
  return rows;
}

function distinct(rows, column) {
  return [...new Set(rows.map(row => row[column]))];
}

/** How each choice leaves rows out, in the order in which choices are made. */
const STAGES = {
  measure(rows, wanted) {
    if (wanted !== ALL) return rows.filter(row => row.measure === wanted);
    const others = rows.filter(row => row.measure !== CERTIFICATE);
    return others.length ? others : rows;
  },
  group(rows, wanted) {
    if (wanted === ALL) return rows.filter(row => row.group !== null);
    if (wanted !== null) return rows.filter(row => row.group === wanted);
    const whole = new Set(rows.filter(row => row.group === null).map(row => row.measure));
    return rows.filter(row => row.group === null || !whole.has(row.measure));
  },
  input(rows, wanted) {
    return wanted === ALL ? rows : rows.filter(row => row.input === wanted);
  },
  figure(rows, wanted) {
    const first = new Map();
    for (const row of rows) if (!first.has(row.measure)) first.set(row.measure, row.figure);
    return rows.filter(row => row.figure === (wanted === ALL ? first.get(row.measure) : wanted));
  },
};

/** The rows of a choice {measure, group, input, figure}. */
function chosenRows(rows, choice) {
  return Object.entries(STAGES).reduce((left, [name, stage]) => stage(left, choice[name]), rows);
}

/** The panels of a choice, and behind them the quantization error of the models shown. */
function panelsOf(rows, choice) {
  const chosen = chosenRows(rows, choice);
  const models = new Set(distinct(chosen, "model"));
  const errors = chosen.some(row => row.measure === CERTIFICATE) ? [] : rows.filter(row =>
    row.measure === CERTIFICATE && row.figure === ERROR_FIGURE && models.has(row.model));
  const panels = new Map();
  for (const row of chosen.concat(errors)) {
    const key = JSON.stringify([row.measure, row.figure]);
    if (!panels.has(key)) {
      panels.set(key, { measure: row.measure, figure: row.figure, curves: new Map(), without: new Set() });
    }
    const panel = panels.get(key);
    const x = choice.x === "tokens" ? row.tokens_seen : row.step;
    if (x === null) {
      panel.without.add(row.model);
      continue;
    }
    const name = JSON.stringify(PARTS.map(part => row[part]));
    if (!panel.curves.has(name)) panel.curves.set(name, { name, row, points: [] });
    const value = typeof row.value === "number" ? row.value : null;
    const stderr = typeof row.stderr === "number" ? row.stderr : null;
    panel.curves.get(name).points.push({ x, value, stderr, row });
  }
  const order = [...models];
  return [...panels.values()].map(panel => finished(panel, order));
}

/** What tells curves apart; the quantization only where the rest does not suffice. */
function differingParts(curves) {
  const different = parts => new Set(curves.map(curve => JSON.stringify(parts.map(part => curve.row[part])))).size;
  const parts = PARTS.filter(part => different([part]) > 1);
  const others = parts.filter(part => part !== "quantization");
  return different(others) === curves.length ? others : parts;
}

/** A panel with its title, and with labels and looks of its curves. */
function finished(panel, models) {
  const curves = [...panel.curves.values()];
  const differing = differingParts(curves);
  const coloured = models.length > 1 || !differing.length ? "model" : differing[0];
  const rest = differing.filter(part => part !== coloured);
  const colours = coloured === "model" ? models : [...new Set(curves.map(c => c.row[coloured]))];
  const others = curves.map(curve => JSON.stringify(rest.map(part => curve.row[part])));
  const dashes = [...new Set(others)];
  const enough = colours.length <= N_COLOURS && dashes.length <= DASHES.length;
  curves.forEach((curve, i) => {
    curve.points.sort((a, b) => a.x - b.x);
    curve.label = (differing.length ? differing : ["model"])
      .map(part => curve.row[part] === null ? MISSING[part] : curve.row[part] || "(empty)").join(", ");
    curve.colour = enough ? colours.indexOf(curve.row[coloured]) : i % N_COLOURS;
    curve.dash = enough ? dashes.indexOf(others[i]) : Math.floor(i / N_COLOURS) % DASHES.length;
  });
  const parts = panel.measure === CERTIFICATE ? ["quantization error"]
    : panel.measure === panel.figure ? [] : [panel.measure];
  for (const part of curves.length === 1 ? ["input", "group"] : ["model", "input", "group"]) {
    const values = new Set(curves.map(curve => curve.row[part]));
    if (values.size === 1) for (const value of values) if (value !== null) parts.push(value);
  }
  const title = parts.length ? `${panel.figure} (${parts.join(", ")})` : panel.figure;
  return { ...panel, curves, title };
}

/** The points that have values, cut where values are missing. */
function stretchesOf(points) {
  const found = [[]];
  for (const point of points) {
    if (point.value !== null) found[found.length - 1].push(point);
    else if (found[found.length - 1].length) found.push([]);
  }
  return found.filter(stretch => stretch.length);
}

/** A log axis with 0: linear to the power of ten below the smallest positive value. */
function logAxis(values) {
  const there = [...new Set(values)].sort((a, b) => a - b);
  const positive = there.find(value => value > 0);
  const linearTo = positive === undefined ? 1 : 10 ** Math.floor(Math.log10(positive) + 1e-12);
  let first = there[0], last = there[there.length - 1];
  if (positive === undefined) [first, last] = [0, 1];
  else if (there.length === 1) [first, last] = [linearTo, linearTo * 10];
  const decades = value => value < linearTo ? LINEAR_DECADES * value / linearTo
    : LINEAR_DECADES + Math.log10(value / linearTo);
  const position = value => (decades(value) - decades(first)) / (decades(last) - decades(first));
  const zero = first === 0 ? [0] : [];
  let ticks = [first, last];
  for (const factors of [[1, 2, 5], [1]]) {
    const found = [];
    for (let power = linearTo; power <= last; power *= 10) {
      found.push(...factors.map(f => f * power).filter(value => value >= first && value <= last));
    }
    if (zero.length + found.length >= 2) ticks = zero.concat(found);
  }
  return { first, linearTo, position, ticks };
}

/** The least and the largest. Math.min cannot take a hundred thousand arguments. */
function extentOf(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
}

/** The axis of values: logarithmic if all are positive and far apart. */
function valueAxis(values, ends) {
  let [low, high] = extentOf(values);
  if (low > 0 && high / low >= SPREAD_OF_LOG) {
    const decades = Math.log10(high / low);
    const ticks = [];
    for (let e = Math.ceil(Math.log10(low)); e <= Math.log10(high); e++) ticks.push(10 ** e);
    return { ticks, position: value => Math.log10(Math.max(value, low) / low) / decades };
  }
  [low, high] = extentOf(ends);
  if (low === high) {
    const margin = Math.abs(low) / 10 || 1;
    [low, high] = [low - margin, high + margin];
  }
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(f => f * power).find(size => size >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(i * step);
  return { ticks, position: value => (value - low) / (high - low) };
}

function compact(number, digits = 4) {
  for (const [unit, sign] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(number) >= unit) return Number((number / unit).toPrecision(digits)) + sign;
  }
  return String(Number(number.toPrecision(digits)));
}

/** What a point says, a line each. */
function sayingOf(curve, point) {
  const row = point.row, lines = [curve.label, `step ${row.step.toLocaleString("en")}`];
  if (row.tokens_seen !== null) lines.push(`${compact(row.tokens_seen)} tokens seen`);
  let value = Number(point.value.toPrecision(6));
  if (point.stderr !== null) value += ` ± ${Number(point.stderr.toPrecision(2))}`;
  lines.push(`${row.figure} ${value}`);
  if (typeof row.n === "number") lines.push(`n ${row.n.toLocaleString("en")}`);
  return lines.join("\n");
}
