// What has happened to services.

import {Table, find} from "./dom.js";

const MOST = 200;
const BAD = ["worker.died", "service.failed", "reload.failed", "certificate.failed", "breaker.open", "events.missed"];

export class Events {
  constructor(choose) {
    this.list = new Map();
    this.table = new Table(find("#event-table"), [
      {title: "Event", text_: true, text: each => each.kind, tone: each => (BAD.includes(each.kind) ? "bad" : "")},
      {title: "Time", text: each => new Date(each.time).toLocaleTimeString()},
      {title: "Service", text_: true, text: each => each.service},
      {title: "PID", wide: true, text: each => each.pid ?? ""},
      {title: "Reason", text_: true, wrap: true, text: each => each.reason},
    ], {empty: "Nothing has happened.", key: each => each.number, choose: (_, each) => each.service && choose(each.service)});
    this.box = find("#event-filter");
    this.box.addEventListener("change", () => this.show());
  }

  async load() {
    const reply = await fetch("events");
    if (!reply.ok) return;
    this.list.clear();
    for (const each of await reply.json()) this.list.set(each.number, each);
    this.show();
  }

  add(event) {
    this.list.set(event.number, event);
    if (this.list.size > MOST) this.list.delete(this.list.keys().next().value);
    this.show();
  }

  only(service) {
    this.service = service;
    if (this.box.checked) this.show();
  }

  show() {
    const wanted = [...this.list.values()].filter(each => !this.box.checked || each.service === this.service);
    this.table.show(wanted.reverse());
  }
}
