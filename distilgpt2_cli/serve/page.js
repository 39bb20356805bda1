const $ = (id) => document.getElementById(id);
const text = $("text");
const options = $("options");
const form = $("settings").querySelector("form");

const SEEDS = 4294967295; // how many there are; the server counts them from 0
const touch = matchMedia("(hover: none) and (pointer: coarse)"); // as in the style: no keys, no mouse
const PROMPT_CHARACTERS = 2000; // about what the context window of a small model holds

/** Show a sentence as a "notice" or an "alarm", or announce it to screen readers only ("quiet"). */
function say(sentence, kind = "notice") {
  const status = $("status");
  status.textContent = sentence;
  status.className = kind;
  clearTimeout(say.timer);
  if (kind === "notice") say.timer = setTimeout(() => say("", "quiet"), 4000);
}

/** Ask for the key; return whether one was entered. */
function enterKey() {
  const dialog = $("key-dialog");
  $("key-refused").hidden = !tab.get("key");
  $("key").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      if (dialog.returnValue) tab.set("key", $("key").value);
      resolve(Boolean(dialog.returnValue));
    };
  });
}

// Suggestions

/**
 * What is suggested now, or null: `texts` continue the text before `start`, and would replace
 * what is between there and the cursor at `end`: nothing but spaces.
 */
let offer = null;

async function suggest() {
  if (!form.checkValidity()) {
    $("settings").showModal();
    form.reportValidity();
    return;
  }
  const round = offer ? offer.round + 1 : 0;
  options.style.minHeight = `${options.offsetHeight}px`; // so that new ones come without a jump
  dismiss();
  text.focus();
  const current = opened(text.selectionEnd, round);
  try {
    await receive(current);
    if (offer !== current) return; // it was closed meanwhile
    explainEmpty(current);
    finish(current);
  } catch (error) {
    if (offer === current) await failed(current, error);
  }
}

async function receive({ request, aborter, texts, items }) {
  const response = await askForLess(request, aborter.signal);
  for await (const { choices } of events(response.body)) {
    for (const { index, text: more } of choices) {
      texts[index] += more;
      items[index].lastChild.textContent = texts[index].trim();
    }
  }
}

async function failed(current, error) {
  if (current.texts.some(Boolean)) finish(current);
  else dismiss();
  if (error.status !== 401) return say(error.message, "alarm");
  if (!(await enterKey())) return text.focus();
  showModel();
  return suggest();
}

/** Open the list for suggestions at a position of the text. */
function opened(end, round) {
  // With its last space, a text has hardly any likely continuation: tokens begin with theirs.
  const start = text.value.slice(0, end).replace(/ +$/, "").length;
  const request = { ...parameters(round), prompt: endOf(text.value.slice(0, start), PROMPT_CHARACTERS) };
  offer = {
    start,
    end,
    round,
    request,
    texts: Array(request.n).fill(""),
    items: Array.from({ length: request.n }, (_, index) => option(index)),
    active: 0,
    aborter: new AbortController(),
  };
  text.setSelectionRange(end, end);
  options.replaceChildren(...offer.items);
  options.ariaBusy = "true";
  $("seed-shown").textContent = `seed ${request.seed}`;
  $("suggestions").hidden = false;
  showCaret();
  mark(0);
  say(`Writing ${suggestions(request.n)}.`, "quiet");
  return offer;
}

/** The parameters of a request; the seeds of each round continue those of the round before. */
function parameters(round) {
  const { seed, ...others } = Object.fromEntries(new FormData(form));
  const values = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, Number(value)]));
  const n = values.temperature ? values.n : 1;
  const first = seed ? Number(seed) : crypto.getRandomValues(new Uint32Array(1))[0];
  return { ...values, n, seed: (first + (seed ? round * n : 0)) % SEEDS };
}

function option(index) {
  const item = document.createElement("li");
  item.id = `option-${index}`;
  item.role = "option";
  const digit = document.createElement("kbd");
  digit.textContent = index + 1;
  const shown = document.createElement("span");
  shown.dir = "auto";
  item.append(digit, shown);
  item.addEventListener("pointermove", () => mark(index));
  item.addEventListener("click", () => accept(index));
  return item;
}

function explainEmpty({ texts, items }) {
  texts.forEach((continuation, index) => {
    if (continuation.trim()) return;
    const shown = items[index].lastChild;
    shown.textContent = continuation.includes("\n") ? "a new line" : "no text: the model would end here";
    shown.className = "aside";
  });
}

function finish(current) {
  options.ariaBusy = "false";
  options.style.minHeight = "";
  mark(current.active);
  const how = touch.matches ? "Tap one to accept it." : "Up and Down select, Enter accepts.";
  say(`${suggestions(current.texts.length)}. ${how}`, "quiet");
}

function suggestions(count) {
  return count === 1 ? "1 suggestion" : `${count} suggestions`;
}

/** Make one the active option; screen readers are pointed to it when it is complete. */
function mark(index) {
  const { items } = offer;
  offer.active = (index + items.length) % items.length;
  const active = items[offer.active];
  for (const item of items) item.ariaSelected = String(item === active);
  active.scrollIntoView({ block: "nearest" });
  if (options.ariaBusy === "false") text.setAttribute("aria-activedescendant", active.id);
}

/** Insert one, as if it was typed, so that the browser can undo it. */
function accept(index) {
  const { start, end, texts } = offer;
  if (!texts[index]) return;
  dismiss();
  text.focus();
  text.setSelectionRange(start, end);
  if (document.execCommand("insertText", false, texts[index])) return;
  text.setRangeText(texts[index], start, end, "end");
  text.dispatchEvent(new Event("input"));
}

/** Close the list, and end the request. */
function dismiss() {
  say("", "quiet");
  if (!offer) return;
  offer.aborter.abort();
  offer = null;
  $("suggestions").hidden = true;
  options.replaceChildren();
  text.removeAttribute("aria-activedescendant");
}

/** Put the list under the cursor, or above it where there is more space. */
function place() {
  if (!offer) return;
  const list = $("suggestions");
  const { left, top, bottom } = caretBox(offer.end);
  const below = innerHeight - bottom;
  const above = below < 240 && top > below;
  const set = (name, pixels) => list.style.setProperty(name, pixels === null ? "auto" : `${pixels}px`);
  set("--left", Math.max(8, Math.min(left - 16, innerWidth - list.offsetWidth - 8)));
  set("--top", above ? null : bottom + 6);
  set("--bottom", above ? innerHeight - top + 6 : null);
  set("--space", (above ? top : below) - 16);
}

/** Scroll to the line of the cursor: it may be out of view, or the list in a narrow window may cover it. */
function showCaret() {
  if (!offer) return;
  const caret = caretBox(offer.end);
  const area = text.getBoundingClientRect();
  text.scrollTop += Math.max(0, caret.bottom + 8 - area.bottom) + Math.min(0, caret.top - 8 - area.top);
  place();
}

/** Where a position of the text is in the window, measured on its hidden mirror. */
function caretBox(position) {
  const mirror = $("mirror");
  const next = document.createElement("span");
  next.textContent = text.value.slice(position).match(/^\S+/)?.[0] ?? ".";
  mirror.style.width = `${text.clientWidth}px`;
  mirror.replaceChildren(text.value.slice(0, position), next);
  const { left, top, bottom } = next.getClientRects()[0];
  mirror.replaceChildren();
  return { left, top: top - text.scrollTop, bottom: bottom - text.scrollTop };
}

// Keys, mouse and touch

let tabLeaves = false; // after Esc, Tab is the browser's, so that keyboard users can leave the text

text.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const leaves = tabLeaves;
  tabLeaves = false;
  const act = action(event.key, leaves);
  if (!act) return;
  event.preventDefault();
  act();
});

function action(key, leaves) {
  if (key === "Tab") return leaves ? null : suggest;
  if (!offer) return key === "Escape" ? releaseTab : null;
  if (key === "Escape") return dismiss;
  if (key === "ArrowDown") return () => mark(offer.active + 1);
  if (key === "ArrowUp") return () => mark(offer.active - 1);
  if (key === "Enter") return () => accept(offer.active);
  if (/^[1-9]$/.test(key) && key <= offer.texts.length) return () => accept(Number(key) - 1);
  return null;
}

function releaseTab() {
  tabLeaves = true;
  say("Tab now leaves the text.");
}

text.addEventListener("input", () => {
  tabLeaves = false;
  dismiss();
  browser.set("text", text.value);
});
text.addEventListener("scroll", place);
new ResizeObserver(showCaret).observe(text);
document.addEventListener("selectionchange", () => {
  if (offer && (text.selectionStart !== offer.end || text.selectionEnd !== offer.end)) dismiss();
});
text.addEventListener("focus", () => {
  // Chromium gives the focus back after a dialog, but not the cursor, and typing would go nowhere.
  text.setSelectionRange(text.selectionStart, text.selectionEnd, text.selectionDirection);
});
text.addEventListener("blur", (event) => {
  tabLeaves = false;
  if (event.relatedTarget) dismiss();
});
for (const id of ["suggestions", "suggest"]) {
  $(id).addEventListener("mousedown", (event) => event.preventDefault()); // the text keeps the focus
}
$("suggest").addEventListener("click", suggest);
$("more").addEventListener("click", suggest);
$("close").addEventListener("click", dismiss);

// The other buttons

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(text.value);
  } catch {
    text.select(); // for pages without HTTPS
    if (!document.execCommand("copy")) return say("The browser doesn't allow copying. The text is selected: copy it.");
  }
  say("Copied.");
});

$("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text.value], { type: "text/plain" }));
  link.download = "text.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
});

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (browser.get("theme") ?? (systemDark.matches ? "dark" : "light")) === "dark";

function showTheme() {
  document.documentElement.style.colorScheme = browser.get("theme") ?? "";
  $("dark").ariaChecked = String(isDark());
}

$("dark").addEventListener("click", () => {
  const dark = !isDark();
  browser.set("theme", dark === systemDark.matches ? null : dark ? "dark" : "light");
  showTheme();
});
systemDark.addEventListener("change", showTheme);

for (const id of ["settings", "about"]) {
  $(`open-${id}`).addEventListener("click", () => {
    $(id).showModal();
    $(id).scrollTop = 0;
  });
}

function showPlaceholder() {
  text.placeholder = `Start writing, then ${touch.matches ? "tap Suggest" : "press Tab"}.`;
}

touch.addEventListener("change", showPlaceholder);

function showSettings() {
  for (const value of form.querySelectorAll(".value")) {
    value.textContent = value.parentElement.querySelector("input").value;
  }
}

function saveSettings() {
  showSettings();
  browser.set("settings", JSON.stringify(Object.fromEntries(new FormData(form))));
}

form.addEventListener("input", saveSettings);
$("defaults").addEventListener("click", () => {
  form.reset();
  saveSettings();
});

// Start: restore what was saved, and show the name of the model

function restoreSettings() {
  try {
    for (const [name, value] of Object.entries(JSON.parse(browser.get("settings")))) {
      form.elements[name].value = value;
    }
  } catch {
    form.reset(); // none were saved, or by another version of this page
  }
  showSettings();
}

async function showModel() {
  try {
    const { data } = await (await ask("v1/models")).json();
    $("model").textContent = data[0].id;
    document.title = `Write with ${data[0].id}`;
  } catch {
    // The next request for suggestions reports it.
  }
}

restoreSettings();
showTheme();
showPlaceholder();
say("", "quiet");
text.value = browser.get("text") ?? "";
text.setSelectionRange(text.value.length, text.value.length);
addEventListener("storage", ({ key, newValue }) => {
  if (key === "distil.text") text.value = newValue ?? ""; // written in another tab
});
showModel();
