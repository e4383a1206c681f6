// What a page shows, kept up to date over one event stream. The stream is asked for some GET paths of the API; the
// server answers them again and again and sends each answer that differs from the one before. It is read with fetch, as
// an EventSource cannot log in. While nobody looks at the tab there is no stream.

import { ApiError, checkLogin, get, request } from "./api.js";

const RETRY_MS = [500, 1000, 2000, 5000];
const SILENCE_MS = 45_000;

const listeners = new Set();
const running = new Set();
let state = "idle";

/** Be told whether data are "live", "paused" or "lost". */
export function onState(listener) {
  listeners.add(listener);
  listener(state);
  return () => listeners.delete(listener);
}

function tell(next) {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener(state);
}

/** Give `show(name, data)` whatever is at `paths` ({name: path}), first as soon as possible. Returns a `Live`. */
export function live(paths, show, fail) {
  return new Live(paths, show, fail);
}

class Live {
  constructor(paths, show, fail) {
    this.names = Object.keys(paths);
    this.paths = Object.values(paths);
    this.show = show;
    this.fail = fail;
    this.attempt = 0;
    this.stopped = false;
    this.seen = new Set();
    running.add(this);
    this.look = () => (document.hidden ? this.pause() : this.run());
    document.addEventListener("visibilitychange", this.look);
    this.first = Promise.all(this.names.map((name) => this.load(name)));
    this.run();
  }

  stop() {
    this.stopped = true;
    running.delete(this);
    if (!running.size) tell("idle");
    document.removeEventListener("visibilitychange", this.look);
    clearTimeout(this.timer);
    this.abort?.abort();
  }

  /** Ask once, at once: after a change made here. */
  async refresh() {
    await Promise.all(this.names.map((name) => this.load(name, true)));
  }

  async load(name, again = false) {
    try {
      const data = await get(this.paths[this.names.indexOf(name)]);
      if (!this.stopped && (again || !this.seen.has(name))) this.take(name, data);
    } catch (error) {
      if (!this.stopped) this.fail(name, error);
    }
  }

  take(name, data) {
    this.seen.add(name);
    try {
      this.show(name, data);
    } catch (defect) {
      // Ours, and not the connection's.
      console.error(defect);
    }
  }

  pause() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
    tell("paused");
  }

  async run() {
    if (this.stopped || this.abort) return;
    const abort = new AbortController();
    this.abort = abort;
    try {
      const of = this.paths.map((path) => ["of", path]);
      const address = `/api/menura/live?${new URLSearchParams(of)}`;
      const answer = await request("GET", address, { signal: abort.signal });
      this.attempt = 0;
      tell("live");
      await this.read(answer.body);
    } catch (error) {
      if (error.name === "AbortError" || abort.signal.aborted) return;
      if (error.status === 401) return;
    }
    if (this.stopped || this.abort !== abort) return;
    this.abort = undefined;
    tell("lost");
    this.timer = setTimeout(() => this.run(), RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)]);
    this.attempt += 1;
  }

  async read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let silence;
    try {
      for (;;) {
        // The broker says something now and then; a line that is dead says nothing, for ever.
        silence = setTimeout(() => reader.cancel(), SILENCE_MS);
        const { done, value } = await reader.read();
        clearTimeout(silence);
        if (done || this.stopped) return;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) this.hear(event);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  hear(event) {
    const line = event.split("\n").find((each) => each.startsWith("data: "));
    if (line === undefined) return;
    const { of, status, body } = JSON.parse(line.slice(6));
    const name = this.names[of];
    if (status < 300) {
      this.take(name, body);
      return;
    }
    const failure = new ApiError(status, body.error, body.reason);
    if (!checkLogin(failure)) this.fail(name, failure);
  }
}
