// The end of the log, for operators: it may have secrets.

import {Table, find, setText} from "./dom.js";
import {secret} from "./actions.js";

const INTERVAL = 2000;  // milliseconds

export class Logs {
  constructor() {
    this.table = new Table(find("#log-table"), [
      {title: "Time", text: each => new Date(each.time * 1000).toLocaleTimeString()},
      {title: "Level", text_: true, text: each => each.level, tone: each => ({error: "bad", critical: "bad", warn: "warn"})[each.level] ?? ""},
      {title: "From", text_: true, text: each => each.namespace},
      {title: "Message", text_: true, wrap: true, text: each => each.message},
      {title: "Request", text_: true, wide: true, text: each => each.request_id ?? ""},
    ], {empty: "No event.", key: each => each.number});
    for (const name of ["#log-on", "#log-request", "#log-level"]) find(name).addEventListener("change", () => this.#ask());
    setInterval(() => this.#ask(), INTERVAL);
  }

  only(service) {
    this.service = service;
  }

  // The log of a request.
  showRequest(id) {
    find("#log-request").value = id;
    find("#log-on").checked = true;
    find("#logs").scrollIntoView();
    find("#log-request").focus({preventScroll: true});
    this.#ask();
  }

  async #ask() {
    if (!find("#log-on").checked || document.hidden) return;
    const wanted = {request: find("#log-request").value.trim(), level: find("#log-level").value};
    if (!wanted.request && this.service) wanted.service = this.service;
    const reply = await fetch(`logs?${new URLSearchParams(wanted)}`, {headers: {"X-CSRF-Token": secret()}});
    if (!reply.ok) {
      const problem = await reply.json();
      setText(find("#log-note"), problem.detail ?? problem.title);
      return;
    }
    setText(find("#log-note"), wanted.request ? `Of the request ${wanted.request}.` : `Of ${this.service}.`);
    this.table.show((await reply.json()).reverse().map((each, index) => ({...each, number: `${each.time} ${index}`})));
  }
}
