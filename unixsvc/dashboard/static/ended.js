// The slowest and the failed calls. Workers are asked only while this part of the page is on the screen.

import {Table, find, setText} from "./dom.js";
import {seconds} from "./format.js";
import {TRACE} from "./trace.js";

const INTERVAL = 5000;  // milliseconds
const NOTES = {
  slowest: "The slowest of the last five minutes, while they are on the screen.",
  failed: "Those of the last five minutes with a code of 500 or more, while they are on the screen.",
};

export class Ended {
  constructor(chooseRoute, showLog) {
    this.table = new Table(find("#ended-table"), [
      {title: "Route", text_: true, wrap: true, text: each => each.route || `${each.method} ${each.path}`,
        press: each => chooseRoute(each.service, each.route)},
      {title: "Id", text_: true, text: each => each.id, press: each => showLog(each.id), label: each => `Log of the request ${each.id}`},
      TRACE,
      {title: "Took", text: each => seconds(each.seconds), order: each => each.seconds},
      {title: "Code", text: each => each.code, order: each => each.code, tone: each => (each.code >= 500 ? "bad" : "")},
      {title: "Age", text: each => seconds(Math.max(this.time - each.ended, 0)), order: each => this.time - each.ended},
      {title: "Service", text_: true, text: each => each.service, order: each => each.service},
      {title: "Caller", text_: true, wide: true, text: each => each.caller, order: each => each.caller},
      {title: "PID", wide: true, text: each => each.pid ?? "–", order: each => each.pid},
    ], {empty: "No call.", key: each => `${each.pid} ${each.id} ${each.ended}`});
    this.time = 0;
    this.kind = find("#ended-kind");
    this.one = find("#ended-filter");
    this.visible = false;
    for (const each of [this.kind, this.one]) each.addEventListener("change", () => this.#ask());
    new IntersectionObserver(entries => {
      this.visible = entries.at(-1).isIntersecting;
      this.#ask();
    }).observe(find("#ended"));
    setInterval(() => this.#ask(), INTERVAL);
  }

  only(service) {
    this.service = service;
    if (this.one.checked) this.#ask();
  }

  async #ask() {
    if (!this.visible || document.hidden) return;
    const [kind, service] = [this.kind.value, this.one.checked ? this.service : ""];
    const reply = await ask(`requests/${kind}?${new URLSearchParams({service})}`);
    if (kind !== this.kind.value || service !== (this.one.checked ? this.service : "")) return;  // another one was chosen
    if (typeof reply === "string") {
      setText(find("#ended-note"), reply);
      return;
    }
    this.time = reply.time;
    this.table.show(reply.requests);
    setText(find("#ended-note"), `${NOTES[kind]} ${missing(reply.silent)}`);
  }
}

// What a request of the page is answered with; a text if it fails.
export async function ask(path) {
  try {
    const reply = await fetch(path);
    const body = await reply.json();
    return reply.ok ? body : `The list is not available: ${body.detail ?? body.title}`;
  } catch (error) {
    return `The list is not available: ${error.message}`;
  }
}

// Which workers have not answered.
export function missing(silent) {
  return silent.map(each => `${each.service} (pid ${each.pid}): ${each.problem}`).join("; ");
}
