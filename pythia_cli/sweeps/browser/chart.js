// Draws a panel as SVG, with a legend of buttons and the point next to the pointer.
"use strict";

const HEIGHT = 280, SPACE = { left: 56, right: 14, top: 10, bottom: 42 };
const MOST_BANDS = 12, MOST_SPOTS = 30;

function made(name, attributes, ...children) {
  const svg = ["svg", "g", "path", "line", "text", "circle"].includes(name);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** The element of a panel. hidden: names of curves that are switched off; shared by all panels. */
function panelElement(panel, x, hidden, redraw) {
  const place = made("div", { class: "chart" });
  const element = made("section", { class: "panel" }, made("h2", {}, panel.title), place);
  const draw = () => place.replaceChildren(chartOf(panel, x, hidden, place));
  if (panel.without.size) {
    const models = [...panel.without].join(", ");
    element.append(made("p", { class: "note" }, `Not shown, as their tokens seen are not known: ${models}`));
  }
  if (panel.curves.length) element.append(legendOf(panel, hidden, redraw));
  new ResizeObserver(draw).observe(place);
  return element;
}

function legendOf(panel, hidden, redraw) {
  return made("div", { class: "legend" }, ...panel.curves.map(curve => made(
    "button",
    {
      type: "button", "aria-pressed": String(!hidden.has(curve.name)),
      onclick: () => {
        if (!hidden.delete(curve.name)) hidden.add(curve.name);
        redraw(curve.name);
      },
    },
    made("svg", { "aria-hidden": "true" }, lineOf(curve, "M0 5H34")),
    made("span", {}, curve.label),
  )));
}

function lineOf(curve, d) {
  return made("path", { d, "stroke-dasharray": DASHES[curve.dash], style: `stroke:var(--c${curve.colour})` });
}

function chartOf(panel, x, hidden, place) {
  const width = Math.max(place.clientWidth, 200);
  const curves = panel.curves.filter(curve => !hidden.has(curve.name));
  const drawn = curves.flatMap(curve => curve.points.filter(point => point.value !== null));
  if (!drawn.length) return made("p", { class: "note" }, "No values to draw.");
  const withBands = curves.length <= MOST_BANDS;
  const error = point => withBands ? point.stderr || 0 : 0;
  const axis = logAxis(panel.curves.flatMap(curve => curve.points.map(point => point.x)));
  const values = drawn.map(point => point.value);
  const ends = drawn.flatMap(point => [point.value - error(point), point.value + error(point)]);
  const scale = valueAxis(values, ends);
  const across = width - SPACE.left - SPACE.right, down = HEIGHT - SPACE.top - SPACE.bottom;
  const xOf = value => SPACE.left + across * axis.position(value);
  const yOf = value => SPACE.top + down * (1 - scale.position(value));
  const svg = made("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", tabindex: "0",
    "aria-label": `${panel.title}, ${curves.length} curves; arrow keys go from point to point`,
  });
  drawAxes(svg, axis, scale, xOf, yOf, width, x);
  for (const curve of curves) {
    const stretches = stretchesOf(curve.points);
    if (withBands) for (const stretch of stretches) svg.append(bandOf(curve, stretch, error, xOf, yOf));
    const at = point => `${xOf(point.x).toFixed(1)} ${yOf(point.value).toFixed(1)}`;
    svg.append(lineOf(curve, stretches.map(stretch => `M${stretch.map(at).join("L")}`).join("")));
    // A single point between two gaps has no line.
    const spots = curve.points.length <= MOST_SPOTS ? stretches : stretches.filter(s => s.length === 1);
    for (const point of spots.flat()) svg.append(spotOf(curve, point, 2.5, xOf, yOf));
  }
  const tip = made("div", { class: "tip", role: "status", hidden: "" });
  pointing(svg, tip, curves, xOf, yOf, width);
  return made("div", {}, svg, tip);
}

function bandOf(curve, stretch, error, xOf, yOf) {
  const colour = `var(--c${curve.colour})`;
  const at = sign => point => `${xOf(point.x).toFixed(1)} ${yOf(point.value + sign * error(point)).toFixed(1)}`;
  if (stretch.length === 1) {
    return made("path", { class: "bar", d: `M${at(-1)(stretch[0])}L${at(1)(stretch[0])}`, style: `stroke:${colour}` });
  }
  const d = `M${stretch.map(at(1)).join("L")}L${[...stretch].reverse().map(at(-1)).join("L")}Z`;
  return made("path", { class: "band", d, style: `fill:${colour}` });
}

function spotOf(curve, point, r, xOf, yOf) {
  return made("circle", {
    class: "spot", r, cx: xOf(point.x), cy: yOf(point.value), style: `stroke:var(--c${curve.colour})`,
  });
}

function drawAxes(svg, axis, scale, xOf, yOf, width, x) {
  const bottom = HEIGHT - SPACE.bottom, right = width - SPACE.right;
  for (const value of scale.ticks) {
    const y = yOf(value);
    svg.append(made("line", { class: "grid", x1: SPACE.left, x2: right, y1: y, y2: y }),
      made("text", { x: SPACE.left - 6, y: y + 4, "text-anchor": "end" }, compact(value)));
  }
  let free = -Infinity;
  for (const value of axis.ticks) {
    const at = xOf(value), label = compact(value);
    svg.append(made("line", { class: "grid", x1: at, x2: at, y1: SPACE.top, y2: bottom }));
    if (at - 4 * label.length < free) continue;  // no room
    free = at + 4 * label.length + 4;
    svg.append(made("text", { x: at, y: bottom + 16, "text-anchor": "middle" }, label));
  }
  svg.append(made("line", { class: "axis", x1: SPACE.left, x2: right, y1: bottom, y2: bottom }));
  const name = x === "tokens" ? "tokens seen in training" : "training step";
  const from = axis.first === 0 ? ` from ${compact(axis.linearTo)}` : "";
  svg.append(made("text", { x: (SPACE.left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" },
    `${name} (log scale${from})`));
}

/** Shows the point next to the pointer, or the next one with an arrow key. */
function pointing(svg, tip, curves, xOf, yOf, width) {
  let spot = null, at = null;
  const shown = curves.map(curve => ({ curve, points: curve.points.filter(p => p.value !== null) }))
    .filter(({ points }) => points.length);
  const show = (i, j) => {
    if (spot) spot.remove();
    at = [i, j];
    const { curve, points } = shown[i], point = points[j];
    spot = spotOf(curve, point, 4, xOf, yOf);
    svg.append(spot);
    tip.textContent = sayingOf(curve, point);
    tip.hidden = false;
    const left = xOf(point.x) + 12, top = svg.parentNode.offsetTop;
    tip.style.left = `${Math.max(0, left + tip.offsetWidth > width ? left - 24 - tip.offsetWidth : left)}px`;
    tip.style.top = `${top + Math.max(0, Math.min(yOf(point.value) - 20, HEIGHT - tip.offsetHeight))}px`;
  };
  const hide = () => {
    if (spot) spot.remove();
    tip.hidden = true;
  };
  const nearest = event => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * width / box.width;
    const y = (event.clientY - box.top) * HEIGHT / box.height;
    let best = Infinity, place = null;
    shown.forEach(({ points }, i) => points.forEach((point, j) => {
      const distance = Math.hypot(xOf(point.x) - x, yOf(point.value) - y);
      if (distance < best) [best, place] = [distance, [i, j]];
    }));
    if (place) show(...place);
  };
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  // A finger leaves when it is lifted: what it showed stays until another place is tapped.
  svg.addEventListener("pointerleave", event => event.pointerType === "touch" || hide());
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", event => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [];
    if (dx === undefined) return;
    event.preventDefault();
    const clamp = (value, n) => Math.max(0, Math.min(value, n - 1));
    const i = at ? clamp(at[0] + dy, shown.length) : 0;
    show(i, at ? clamp(at[1] + dx, shown[i].points.length) : 0);
  });
}
