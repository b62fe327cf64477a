// The requests in flight. Workers are asked only while the box is ticked.

import {Table, find, setText} from "./dom.js";
import {ask, missing} from "./ended.js";
import {seconds} from "./format.js";

const INTERVAL = 2000;  // milliseconds
const MOST = 200;  // rows

export class Flight {
  constructor(actions, showLog) {
    this.table = new Table(find("#flight-table"), [
      {title: "Request", text_: true, wrap: true, text: each => `${each.method} ${each.path}`},
      {title: "Id", text_: true, text: each => each.id, press: each => showLog(each.id), label: each => `Log of the request ${each.id}`},
      {title: "Service", text_: true, text: each => each.service, order: each => each.service},
      {title: "Age", text: each => seconds(each.age), order: each => each.age},
      {title: "PID", wide: true, text: each => each.pid ?? "–"},
      {title: "Caller", text_: true, wide: true, text: each => each.caller},
      {title: "Waits at", text_: true, wrap: true, text: each => each.where},
      {title: "Action", text_: true, text: () => "Cancel", label: each => `Cancel ${each.method} ${each.path}`,
        press: each => actions.ask("cancel", {id: each.id, service: each.service}, `${each.method} ${each.path}`)},
    ], {empty: "No request is in flight.", key: each => `${each.pid} ${each.id} ${each.path}`});
    this.box = find("#flight-on");
    this.box.addEventListener("change", () => this.#ask());
    setInterval(() => this.#ask(), INTERVAL);
  }

  async #ask() {
    if (!this.box.checked || document.hidden) return;
    const reply = await ask("requests");
    if (typeof reply === "string") {
      setText(find("#flight-note"), reply);
      return;
    }
    const {requests, silent} = reply;
    this.table.show(requests.slice(0, MOST));
    const more = requests.length > MOST ? ` The ${MOST} oldest are shown.` : "";
    setText(find("#flight-note"), `${requests.length} in flight.${more} ${missing(silent)}`);
  }
}
