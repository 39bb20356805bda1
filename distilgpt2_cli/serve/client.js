// The page's storage and its requests; page.py puts this before page.js, in one script.

// Storage: for this browser, or for this tab only

const storageOf = (storage) => ({
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
      say("This browser can't save the text. Copy it before you leave the page.", "alarm");
    }
  },
});
const browser = storageOf("localStorage");
const tab = storageOf("sessionStorage");

// The server

/**
 * Return the server's response, or throw an Error whose message is for the user. Paths are relative
 * to the page: a proxy may have put a prefix before them.
 */
async function ask(path, init = {}) {
  const key = tab.get("key");
  const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...init, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The server can't be reached. Is distil serve still running?");
  });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const { status } = response;
  const seconds = response.headers.get("Retry-After");
  const sentence =
    status === 429
      ? `The server is busy. Try again ${seconds ? `in ${seconds} s` : "in a moment"}.`
      : (body?.error?.message ?? `The server answered with status ${status}. Try again later.`);
  throw Object.assign(new Error(sentence), { status, code: body?.error?.code });
}

/** Halve the prompt until it fits the model's context window: only the server counts tokens. */
async function askForLess(request, signal) {
  for (;;) {
    const body = JSON.stringify({ ...request, stream: true });
    try {
      return await ask("v1/completions", { method: "POST", body, signal });
    } catch (error) {
      if (error.code !== "context_length_exceeded" || request.prompt.length < 2) throw error;
      request.prompt = endOf(request.prompt, request.prompt.length / 2);
    }
  }
}

/** Return the end of a text; if it has to be cut, it begins with a whole word. */
function endOf(all, length) {
  const end = all.slice(-length);
  const words = end.length < all.length ? end.match(/\s(\S[^]*)/)?.[1] : end;
  return (words ?? end).toWellFormed();
}

/** Yield the objects of a stream of server-sent events; throw an Error if it ends too early. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      return { done: true };
    });
    if (done) throw new Error("The connection to the server was lost. Try again.");
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
