// The page.

import {Actions} from "./actions.js";
import {Flight} from "./calls.js";
import {Table, find, make, setClass, setText} from "./dom.js";
import {Ended} from "./ended.js";
import {Events} from "./events.js";
import {count, rate, seconds} from "./format.js";
import {Graph, breaker, callsOf, tone} from "./graph.js";
import {ALL, History} from "./history.js";
import {Logs} from "./logs.js";
import {Detail, ServiceTable, restarts, routeName, serviceRows} from "./services.js";
import {Source} from "./source.js";

const SLOWEST = 20;

class Page {
  constructor() {
    this.history = new History();
    this.snapshot = null;
    this.drawn = 0;  // frames
    this.services = new ServiceTable(name => this.choose(name, ALL));
    this.detail = new Detail(route => this.choose(this.service, route));
    this.graph = new Graph(find("#graph-picture"), name => this.choose(name, ALL));
    this.calls = new Table(find("#call-table"), callColumns(), {empty: "No service calls another one.", choose: (_, call) => this.choose(call.to, ALL)});
    this.slow = new Table(find("#slow-table"), slowColumns(), {empty: "No request yet.", choose: (_, each) => this.choose(each.service, each.route)});
    this.events = new Events(service => this.choose(service, ALL));
    this.source = new Source(
      snapshot => this.take(snapshot), (state, text) => this.#connection(state, text),
      event => this.#happened(event), () => this.#connected(),
    );
    this.actions = new Actions(() => { this.source.open(); this.logs.follow(); });
    this.logs = new Logs(this.actions);
    const showLog = id => this.logs.showRequest(id);
    this.flight = new Flight(this.actions, showLog);
    this.ended = new Ended((service, route) => this.choose(service, route || ALL), showLog);
    this.#readAddress();
    addEventListener("hashchange", () => { this.#readAddress(); this.draw(); });
    document.addEventListener("click", event => this.#clicked(event));
  }

  async start() {
    this.source.open();
    await this.actions.start();
  }

  take(snapshot) {
    this.snapshot = snapshot;
    this.history.add(snapshot);
    if (!this.waiting) {
      this.waiting = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  // The address has what is chosen, so that it can be linked: #SERVICE or #SERVICE/ROUTE.
  choose(service, route) {
    const path = [service, ...(route === ALL ? [] : [route])].map(encodeURIComponent).join("/");
    history.replaceState(null, "", `#${path}`);
    this.#readAddress();
    this.draw();
  }

  draw() {
    this.waiting = false;
    const snapshot = this.snapshot;
    if (snapshot === null) return;
    const names = Object.keys(snapshot.services);
    if (!(this.service in snapshot.services)) {
      [this.service, this.route] = [names[0], ALL];
      this.events.only(this.service);
      this.logs.only(this.service);
      this.ended.only(this.service);
    }
    const rows = serviceRows(snapshot);
    this.services.show(rows, this.service);
    if (this.service !== undefined) {
      this.detail.show(this.service, snapshot.services[this.service], this.history, this.route);
    }
    const calls = callsOf(snapshot);
    this.graph.show(snapshot, calls);
    this.calls.show(calls);
    this.slow.show(this.#slowest(snapshot));
    this.#summary(rows);
    this.drawn += 1;
    document.documentElement.dataset.drawn = this.drawn;
  }

  #slowest(snapshot) {
    const found = Object.entries(snapshot.services).flatMap(([service, each]) => Object.keys(each.routes).map(route => ({
      key: `${service} ${route}`, service, route, p99: this.history.peak(service, route, "p99"), row: each.routes[route],
    })));
    return found.filter(each => each.p99 !== null).sort((a, b) => b.p99 - a.p99).slice(0, SLOWEST);
  }

  #summary(rows) {
    const workers = rows.flatMap(row => row.service.workers);
    const add = of => rows.reduce((sum, row) => sum + (of(row.service) ?? 0), 0);
    const known = this.snapshot.seconds !== null;
    const facts = {
      "services ready": `${rows.filter(row => row.service.status === "ready").length} of ${rows.length}`,
      "workers ready": `${workers.filter(each => each.phase === "ready").length} of ${workers.length}`,
      "requests/s": known ? rate(add(service => service.total.rate)) : "–",
      "errors/s": known ? rate(add(service => service.total.error_rate)) : "–",
      requests: count(add(service => service.total.requests)),
      errors: count(add(service => service.total.errors)),
      restarts: count(add(restarts)),
    };
    const list = find("#summary");
    for (const [index, [name, text]] of Object.entries(facts).entries()) {
      if (!list.children[index]) list.append(make("div", {}, make("dt", {}, name), make("dd")));
      const value = list.children[index].lastElementChild;
      setText(value, text);
      if (name === "errors/s") setClass(value, add(service => service.total.error_rate) > 0 ? "bad" : "");
    }
  }

  #readAddress() {
    const [service, route = ALL] = location.hash.slice(1).split("/").map(decode);
    if (service === "main") return;  // the link that skips the head
    [this.service, this.route] = [service, route];
    this.events?.only(service);
    this.logs?.only(service);
    this.ended?.only(service);
  }

  #happened(event) {
    this.events.add(event);
    if (event.kind === "reload.done") this.actions.start();  // the configuration of the page may be another one
  }

  // Another orchestrator may have taken over: it knows no session of the one before.
  #connected() {
    this.events.load();
    this.actions.start();
  }

  #connection(state, text) {
    const element = find("#connection");
    setText(element, text ? `${state}: ${text}` : state);
    setClass(element, state === "live" ? "good" : "bad");
    document.body.dataset.state = state;  // old figures do not look like current ones
  }

  #clicked(event) {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    const name = button.dataset.action;
    const one = "one" in button.dataset;
    const workers = this.snapshot?.services[this.service]?.workers.length ?? 1;
    const where = one ? this.service : "all services";
    this.actions.ask(name, one ? {service: this.service} : {}, where, workers);
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function callColumns() {
  return [
    {title: "Caller → called", text_: true, text: call => call.key, order: call => call.key},
    {title: "Breaker", text_: true, text: breaker, tone},
    {title: "Calls/s", text: call => rate(call.rate), order: call => call.rate},
    {title: "p50", wide: true, text: call => seconds(call.p50), order: call => call.p50},
    {title: "p99", text: call => seconds(call.p99), order: call => call.p99},
    {title: "Calls", text: call => count(call.calls), order: call => call.calls},
    {title: "Failed", text: call => count(call.failures), order: call => call.failures, tone: call => (call.failures ? "warn" : "")},
    {title: "Retries", wide: true, text: call => count(call.retries), order: call => call.retries},
    {title: "Refused", text: call => count(call.refused), order: call => call.refused, tone: call => (call.refused ? "warn" : "")},
  ];
}

function slowColumns() {
  return [
    {title: "Route", text_: true, wrap: true, text: each => routeName(each.route)},
    {title: "Service", text_: true, text: each => each.service},
    {title: "p99", text: each => seconds(each.p99)},
    {title: "Requests", wide: true, text: each => count(each.row.requests)},
  ];
}

const page = new Page();
window.unixsvc = page;  // for tests, which measure frames
page.start();
