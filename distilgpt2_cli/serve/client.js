// What the page keeps and whom it asks; page.py puts this before page.js, in one script.

// Kept in the browser, or only as long as the tab

const kept = (storage) => ({
  get(name) {
    try {
      return window[storage].getItem(`distil.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value === null) window[storage].removeItem(`distil.${name}`);
      else window[storage].setItem(`distil.${name}`, value);
    } catch {
      say("This browser doesn't keep the text. Copy it before you leave the page.", "alarm");
    }
  },
});
const browser = kept("localStorage");
const tab = kept("sessionStorage");

// The server

/** An answer of the server, or an Error whose message is a sentence for the reader. */
async function ask(path, init = {}) {
  const key = tab.get("key");
  const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...init, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The server can't be reached. Is distil serve still running?");
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  const { status } = response;
  const seconds = response.headers.get("Retry-After");
  const sentence =
    status === 429
      ? `The server is busy. Try again ${seconds ? `in ${seconds} s` : "in a moment"}.`
      : (answer?.error?.message ?? `The server answered with status ${status}.`);
  throw Object.assign(new Error(sentence), { status, code: answer?.error?.code });
}

/** Halve the prompt until it fits the model's context window: only the server counts tokens. */
async function askForLess(request, signal) {
  for (;;) {
    const body = JSON.stringify({ ...request, stream: true });
    try {
      return await ask("/v1/completions", { method: "POST", body, signal });
    } catch (error) {
      if (error.code !== "context_length_exceeded" || request.prompt.length < 2) throw error;
      request.prompt = endOf(request.prompt, request.prompt.length / 2);
    }
  }
}

/** The end of a text, from the beginning of a word on if it has to be cut. */
function endOf(all, length) {
  const end = all.slice(-length);
  const words = end.length < all.length ? end.match(/\s(\S[^]*)/)?.[1] : end;
  return (words ?? end).toWellFormed();
}

/** Yield the objects of a stream of server-sent events, and see to it that it comes to its end. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      return { done: true };
    });
    if (done) throw new Error("The server broke off in the middle.");
    const lines = (pending + value).split(/\r?\n/);
    pending = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}
