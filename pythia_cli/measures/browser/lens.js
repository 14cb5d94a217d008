// The page of a lens: bands of tokens side by side, a row for each layer, and the figures of a cell.

const COLUMN = 92, SIDE = 52;  // pixels: of a token, and of the names of rows
const READ = JSON.parse(document.getElementById("figures").textContent);
const N_LAYERS = READ.top.length - 1, N = READ.tokens.length;
const place = document.getElementById("bands");
const tip = made("div", { id: "tip", role: "status", hidden: "" });
let shade = READ.shade, across = 0, at = null;
let stop = [N_LAYERS, 0];  // the cell that Tab leads to

function made(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const isHit = (layer, i) => READ.targets[i] >= 0 && READ.top[layer][i][0] === READ.targets[i];

/** Where a cell is on the scale, from 0 to 1. */
function shareOf(layer, i) {
  if (shade === "prob") return READ.probs[layer][i][0];
  const value = READ[shade][layer][i];
  return value === null ? 0 : Math.min(value / READ.most, 1);
}

function cellOf(layer, i) {
  const cell = made("div", { class: isHit(layer, i) ? "cell hit" : "cell", role: "gridcell" }, READ.texts[READ.top[layer][i][0]]);
  cell.tabIndex = layer === stop[0] && i === stop[1] ? 0 : -1;
  cell.dataset.layer = layer;
  cell.dataset.i = i;
  cell.style.setProperty("--share", shareOf(layer, i));
  return cell;
}

/** The rows of the tokens from `begin` on, the last layer first. */
function fill(band) {
  const begin = Number(band.dataset.begin), end = Math.min(begin + across, N);
  const places = Array.from({ length: end - begin }, (_, j) => begin + j);
  const row = (name, cells) => [made("div", { class: "side", role: "rowheader" }, name), ...cells];
  const ends = texts => texts.map(text => made("div", { class: "end", title: text }, text));
  const nodes = row("next", ends(places.map(i => READ.targets[i] < 0 ? "" : READ.texts[READ.targets[i]])));
  for (let layer = N_LAYERS; layer >= 0; layer--) nodes.push(...row(layer, places.map(i => cellOf(layer, i))));
  nodes.push(...row("token", ends(places.map(i => READ.texts[READ.tokens[i]]))));
  band.replaceChildren(...nodes);
}

/** Bands are filled when they come near: a text may have thousands of tokens. */
const watcher = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || target.childElementCount) continue;
    fill(target);
    target.style.minHeight = "";
  }
}, { rootMargin: "1000px" });

addEventListener("beforeprint", () => [...place.children].forEach(band => band.childElementCount || fill(band)));

function layOut() {
  const n = Math.max(1, Math.min(N, Math.floor((place.clientWidth - SIDE) / COLUMN)));
  if (n === across) return;
  across = n;
  hide();
  watcher.disconnect();
  const bands = [];
  for (let begin = 0; begin < N; begin += n) {
    const band = made("div", { class: "band", role: "grid", "aria-label": `positions from ${READ.positions[begin]}` });
    band.dataset.begin = begin;
    band.style.gridTemplateColumns = `${SIDE - 1}px repeat(${n}, ${COLUMN - 1}px)`;
    band.style.minHeight = `${(N_LAYERS + 3) * 23}px`;
    bands.push(band);
  }
  place.replaceChildren(...bands);
  bands.forEach(band => watcher.observe(band));
}

function cellAt(layer, i) {
  const band = place.children[Math.floor(i / across)];
  if (!band.childElementCount) fill(band);
  return band.querySelector(`.cell[data-layer="${layer}"][data-i="${i}"]`);
}

const number = value => value === null ? "-" : String(Number(value.toPrecision(4)));

/** What is said of a cell. */
function saying(layer, i) {
  const target = READ.targets[i], token = READ.texts[READ.tokens[i]];
  const from = layer === N_LAYERS ? "the model" : layer === 0 ? "embedding" : `after layer ${layer - 1}`;
  const top = READ.top[layer][i].map((id, k) => {
    const p = READ.probs[layer][i][k], bar = made("span");
    bar.style.width = `${100 * p}%`;
    return made("tr", { class: id === target ? "hit" : "" }, made("td", { class: "text" }, READ.texts[id]),
      made("td", { class: "number" }, p.toFixed(3)), made("td", { class: "bar" }, bar));
  });
  const figures = [["nll", "nats"], ["kl", "nats"], ["entropy", "nats"]].map(([name, unit]) =>
    made("tr", {}, made("td", {}, name), made("td", { class: "number" }, number(READ[name][layer][i])), made("td", {}, unit)));
  const rank = target < 0 ? "-" : String(READ.rank[layer][i]);
  figures.splice(1, 0, made("tr", {}, made("td", {}, "rank"), made("td", { class: "number" }, rank), made("td")));
  const next = target < 0 ? "no next token" : `next: ${READ.texts[target]}`;
  return [
    made("p", {}, made("b", {}, `layer ${layer}`), ` (${from}), position ${READ.positions[i]}`),
    made("p", {}, `token: ${token}, ${next}`),
    made("table", {}, ...top), made("table", {}, ...figures),
  ];
}

function show(cell) {
  if (at) at.classList.remove("at");
  at = cell;
  cell.classList.add("at");
  tip.replaceChildren(...saying(Number(cell.dataset.layer), Number(cell.dataset.i)));
  tip.hidden = false;
  tip.style.left = tip.style.top = "";
  if (getComputedStyle(tip).position === "fixed") return;
  const box = cell.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.max(4, Math.min(box.left, document.documentElement.clientWidth - width - 4));
  const below = box.bottom + height + 8 < window.innerHeight || box.top < height + 8;
  tip.style.left = `${window.scrollX + left}px`;
  tip.style.top = `${window.scrollY + (below ? box.bottom + 4 : box.top - height - 4)}px`;
}

function hide() {
  if (at) at.classList.remove("at");
  at = null;
  tip.hidden = true;
}

const cellOfEvent = event => event.target.closest(".cell");
for (const kind of ["pointerover", "pointerdown", "focusin"]) {
  place.addEventListener(kind, event => {
    const cell = cellOfEvent(event);
    if (cell) show(cell);
  });
}
// A finger leaves when it is lifted: what it showed stays.
place.addEventListener("pointerleave", event => event.pointerType === "touch" || hide());
place.addEventListener("focusout", hide);
place.addEventListener("focusin", event => {
  const cell = cellOfEvent(event);
  if (!cell) return;
  for (const before of place.querySelectorAll('.cell[tabindex="0"]')) before.tabIndex = -1;
  cell.tabIndex = 0;
  stop = [Number(cell.dataset.layer), Number(cell.dataset.i)];
});
place.addEventListener("keydown", event => {
  const cell = cellOfEvent(event);
  if (event.key === "Escape") hide();
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0], Home: [0, -N], End: [0, N] }[event.key];
  if (!cell || !move) return;
  event.preventDefault();
  const clamp = (value, most) => Math.max(0, Math.min(value, most));
  cellAt(clamp(Number(cell.dataset.layer) + move[0], N_LAYERS), clamp(Number(cell.dataset.i) + move[1], N - 1)).focus();
});

function choices() {
  const high = made("output");
  const draw = () => {
    high.textContent = shade === "prob" ? "1" : `${number(READ.most)} (of a uniform prediction)`;
    for (const cell of place.querySelectorAll(".cell")) {
      cell.style.setProperty("--share", shareOf(Number(cell.dataset.layer), Number(cell.dataset.i)));
    }
  };
  const radios = Object.entries(READ.shades).map(([name, label]) => {
    const radio = made("input", { type: "radio", name: "shade", value: name, onchange: () => { shade = name; draw(); } });
    radio.checked = name === shade;
    return made("label", {}, radio, label);
  });
  draw();
  return made("div", { class: "choices" }, made("fieldset", { "aria-label": "what colours the cells" }, ...radios),
    made("div", { class: "scale" }, "0", made("span"), high));
}

document.getElementById("choices").append(choices(), made("p", { class: "note" },
  "Each cell is the likeliest next token if the model stopped before that layer; the uppermost row is the model's prediction. " +
  "Underlined: it is the next token of the text. Point at a cell or tap it for its figures; arrow keys go from cell to cell."));
document.body.append(tip);
layOut();
new ResizeObserver(layOut).observe(place);
