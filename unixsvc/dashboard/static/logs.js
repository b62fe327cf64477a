// The log, for operators: it may have secrets.

import {secret} from "./actions.js";
import {Table, find, make, setAttribute, setText} from "./dom.js";
import {TRACE} from "./trace.js";

const MOST = 500;  // events
const AGAIN = 2000;  // milliseconds until the next attempt to connect
const DRAW = 250;  // milliseconds between two drawings

export class Logs {
  constructor(actions) {
    this.actions = actions;
    this.table = new Table(find("#log-table"), [
      {title: "Time", text: each => new Date(each.time * 1000).toLocaleTimeString()},
      {title: "Level", text_: true, text: each => each.level, tone: each => ({error: "bad", critical: "bad", warn: "warn"})[each.level] ?? ""},
      {title: "From", text_: true, text: each => each.namespace},
      {title: "Message", text_: true, wrap: true, draw: message},
      {title: "Request", text_: true, text: each => each.request_id ?? "", press: each => this.showRequest(each.request_id),
        label: each => `Log of the request ${each.request_id}`},
      TRACE,
    ], {empty: "No event.", key: each => each.number});
    this.events = [];
    this.number = 0;
    this.missed = 0;
    this.box = find("#log-on");
    this.one = find("#log-filter");
    this.request = find("#log-request");
    this.level = find("#log-level");
    this.pause = find("#log-pause");
    for (const each of [this.box, this.one, this.request, this.level]) each.addEventListener("change", () => this.follow());
    this.request.addEventListener("search", () => this.follow());  // its button that clears it
    this.pause.addEventListener("click", () => this.#setPaused(this.paused === null));
    this.#setPaused(false);
  }

  only(service) {
    this.service = service;
    this.follow();
  }

  // The log of a request.
  showRequest(id) {
    this.request.value = id;
    this.box.checked = true;
    find("#logs").scrollIntoView();
    this.request.focus({preventScroll: true});
    this.follow();
  }

  // Follow what is chosen; begin again if that is something else than before.
  follow() {
    const wanted = this.#wanted();
    if (wanted === this.following) return;
    this.following = wanted;
    this.connection?.abort();
    this.events = [];
    this.missed = 0;
    this.#setPaused(false);
    if (wanted === null) {
      this.note(this.box.checked ? "Log in to read the log." : "For operators, as a log may have secrets.");
      return;
    }
    this.connection = new AbortController();
    this.#connect(wanted, this.connection.signal);
  }

  note(text) {
    setText(find("#log-note"), text);
  }

  // The parameters of the request; null for none.
  #wanted() {
    if (!this.box.checked) return null;
    if (!this.actions.operator) {
      this.actions.askToken();
      return null;
    }
    const request = this.request.value.trim();
    const service = request || !this.one.checked ? "" : this.service ?? "";
    return new URLSearchParams({service, request, level: this.level.value}).toString();
  }

  async #connect(wanted, signal) {
    while (!signal.aborted) {
      try {
        // Not an EventSource: that sends no header, and who reads the log has to prove that this is the page.
        const reply = await fetch(`logs?${wanted}`, {headers: {"X-CSRF-Token": secret()}, signal});
        if (reply.ok) {
          this.events = [];
          await this.#read(reply.body);
          this.note("The log has ended; trying again.");
        } else {
          const problem = await reply.json();
          this.note(problem.detail ?? problem.title);
          if (reply.status === 401) this.actions.end();
          if (reply.status < 500) break;
        }
      } catch (error) {
        if (!signal.aborted) this.note(`The log is not available, trying again: ${error.message}`);
      }
      await new Promise(resolve => setTimeout(resolve, AGAIN));
    }
    if (!signal.aborted) this.following = null;  // the next choice tries again
  }

  async #read(body) {
    for await (const batch of batches(body)) {
      this.missed += batch.missed ?? 0;
      this.events.push(...batch.events.map(each => ({...each, number: this.number++})));
      this.events.splice(0, this.events.length - MOST);
      this.#drawSoon();
    }
  }

  #setPaused(paused) {
    this.paused = paused ? this.number : null;
    setText(this.pause, paused ? "Go on" : "Pause");
    setAttribute(this.pause, "aria-pressed", String(paused));
    this.#drawSoon();
  }

  #drawSoon() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.#draw();
    }, DRAW);
  }

  #draw() {
    if (this.following === null || this.following === undefined) {
      this.table.show([]);
      return;
    }
    const request = this.request.value.trim();
    const of = request ? `the request ${request}` : this.one.checked && this.service ? this.service : "all services";
    const missed = this.missed ? ` ${this.missed.toLocaleString("en")} events are missing: there were too many.` : "";
    if (this.paused !== null) {
      this.note(`Of ${of}; paused, ${this.number - this.paused} new events.${missed}`);
      return;
    }
    this.note(`Of ${of}, the latest first.${missed}`);
    this.table.show(this.events.toReversed());
  }
}

// The batches of a response of server-sent events.
async function* batches(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("event: log\ndata: ")) yield JSON.parse(part.slice(part.indexOf("{")));
    }
  }
}

// A message with its fields, and below it the traceback, if there is one. Events do not change.
function message(cell, event) {
  if (cell.hasChildNodes()) return;
  const fields = Object.entries(event.fields ?? {}).map(([name, value]) => `${name}=${shown(value)}`);
  cell.append([event.message, ...fields].join(" "));
  if (event.traceback) {
    cell.append(make("details", {}, make("summary", {}, "traceback"), make("pre", {}, event.traceback)));
  }
}

function shown(value) {
  return typeof value === "string" && /^[^\s"'=]+$/.test(value) ? value : JSON.stringify(value);
}
