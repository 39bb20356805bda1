const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const tokens = data.tokens.map((place) => data.texts[place]);
const weights = decoded($("weights").textContent);

/** The attention weights: 16-bit numbers, the lower byte first. */
function decoded(base64) {
  const characters = atob(base64);
  const numbers = new Uint16Array(characters.length / 2);
  for (let place = 0; place < numbers.length; place += 1) {
    numbers[place] = characters.charCodeAt(2 * place) + 256 * characters.charCodeAt(2 * place + 1);
  }
  return numbers;
}

/** The part of its attention that a token gives to another one; head 0 is the mean of all heads. */
function weight(layer, head, token, seen) {
  if (seen > token) return 0;
  const half = (tokens.length * (tokens.length + 1)) / 2;
  const of = (number) => weights[((layer - 1) * data.heads + number - 1) * half + (token * (token + 1)) / 2 + seen] / 65535;
  if (head) return of(head);
  let sum = 0;
  for (let number = 1; number <= data.heads; number += 1) sum += of(number);
  return sum / data.heads;
}

function percent(share) {
  return `${(share * 100).toFixed(1)}%`;
}

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Fill a list with texts and their shares, each with a bar. */
function fill(list, items) {
  list.replaceChildren(
    ...items.map(([text, share]) => {
      const row = element("li");
      row.append(element("span", text), element("span", percent(share)));
      row.style.setProperty("--share", share * 100);
      return row;
    }),
  );
  if (!items.length) list.append(element("li", "None"));
}

function mark(chosen, isCurrent) {
  chosen.tabIndex = isCurrent ? 0 : -1;
  if (isCurrent) chosen.setAttribute("aria-current", "true");
  else chosen.removeAttribute("aria-current");
}

/** Let the arrow keys move the focus among elements, of which Tab reaches only the last focused one. */
function roving(container, selector, next, show) {
  let current = null;
  const select = (chosen) => {
    if (!chosen || chosen === current) return;
    if (current) mark(current, false);
    current = chosen;
    mark(current, true);
    show(current);
  };
  container.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const target = next(current, event.key);
    if (!target) return;
    event.preventDefault();
    target.focus();
  });
  for (const kind of ["focusin", "mouseover", "click"]) {
    container.addEventListener(kind, (event) => select(event.target.closest(selector)));
  }
  return select;
}

// The lens

const grid = $("lens");
const last = tokens.length - 1;
const middle = Math.floor(last / 2); // where both views begin: something is before it, and after it

function showCell(cell) {
  const layer = Number(cell.dataset.layer);
  const place = Number(cell.dataset.place);
  const name = layer ? `Layer ${layer}` : "Layer 0, the embeddings";
  $("cell-title").textContent = `${name}, after ${place}: ${tokens[place]}`;
  fill($("cell-top"), data.top[layer][place].map((token, index) => [data.texts[token], data.shares[layer][place][index]]));
  const entropy = `Entropy ${data.entropies[layer][place].toFixed(2)} bits.`;
  $("cell-next").textContent =
    place === last
      ? `The text ends here. ${entropy}`
      : `Next in the text: ${tokens[place + 1]}, rank ${data.ranks[layer][place].toLocaleString("en")}, ${percent(data.nextShares[layer][place])}. ${entropy}`;
}

function lensRow(layer) {
  const row = element("tr");
  row.append(element("th", String(layer), { scope: "row" }));
  data.top[layer].forEach(([token], place) => {
    const cell = element("td", data.texts[token], { role: "gridcell", tabindex: "-1" });
    cell.dataset.layer = layer;
    cell.dataset.place = place;
    cell.style.setProperty("--share", data.shares[layer][place][0] * 100);
    if (data.ranks[layer][place] === 1) cell.className = "right";
    row.append(cell);
  });
  return row;
}

function nextCell(cell, key) {
  const row = cell.parentElement;
  const inColumn = (other) => other?.cells[cell.cellIndex];
  const moves = {
    ArrowLeft: () => cell.previousElementSibling?.closest("td"),
    ArrowRight: () => cell.nextElementSibling,
    ArrowUp: () => inColumn(row.previousElementSibling),
    ArrowDown: () => inColumn(row.nextElementSibling),
    Home: () => row.cells[1],
    End: () => row.cells[row.cells.length - 1],
  };
  return moves[key]?.();
}

function drawLens() {
  const head = element("thead");
  const titles = element("tr");
  titles.append(element("th", "Layer", { scope: "col" }), ...tokens.map((text) => element("th", text, { scope: "col" })));
  head.append(titles);
  const body = element("tbody");
  for (let layer = data.layers; layer >= 0; layer -= 1) body.append(lensRow(layer));
  grid.append(head, body);
  roving(grid, "td", nextCell, showCell)(body.rows[0].cells[middle + 1]);
}

// The attention

const list = $("tokens");
let selected = 0;

function showToken() {
  const [layer, head] = [Number($("layer").value), Number($("head").value)];
  const [back, ahead] = [[], []];
  [...list.children].forEach((item, place) => {
    const button = item.firstElementChild;
    const looksBack = place <= selected;
    const share = looksBack ? weight(layer, head, selected, place) : weight(layer, head, place, selected);
    button.className = looksBack ? "back" : "ahead";
    button.style.setProperty("--share", Math.sqrt(share) * 100); // most are small
    button.lastElementChild.textContent = percent(share);
    (looksBack ? back : ahead).push([`${place}: ${tokens[place]}`, share]);
  });
  const who = head ? `head ${head}` : "the mean of all heads";
  $("looks-title").textContent = `Layer ${layer}, ${who}, at ${selected}: ${tokens[selected]}`;
  fill($("back"), most(back));
  fill($("ahead"), most(ahead));
}

function most(items) {
  return [...items].sort(([, one], [, other]) => other - one).slice(0, 5);
}

function nextToken(button, key) {
  const moves = {
    ArrowLeft: () => button.parentElement.previousElementSibling,
    ArrowRight: () => button.parentElement.nextElementSibling,
    Home: () => list.firstElementChild,
    End: () => list.lastElementChild,
  };
  return moves[key]?.()?.firstElementChild;
}

function drawTokens() {
  for (let layer = 1; layer <= data.layers; layer += 1) $("layer").append(element("option", layer, { value: layer }));
  $("head").append(element("option", "Mean of all", { value: 0 }));
  for (let head = 1; head <= data.heads; head += 1) $("head").append(element("option", head, { value: head }));
  $("layer").value = String(data.layers);
  tokens.forEach((text, place) => {
    const item = element("li");
    const button = element("button", "", { type: "button", tabindex: "-1" });
    button.dataset.place = place;
    button.append(element("span", text), element("small"));
    item.append(button);
    list.append(item);
  });
  const select = roving(list, "button", nextToken, (button) => {
    selected = Number(button.dataset.place);
    showToken();
  });
  select(list.children[middle].firstElementChild);
  for (const id of ["layer", "head"]) $(id).addEventListener("change", showToken);
}

if (data.leftOut) {
  $("left-out").textContent = `The first ${data.leftOut.toLocaleString("en")} tokens of the text are left out.`;
  $("left-out").hidden = false;
}
drawLens();
drawTokens();
