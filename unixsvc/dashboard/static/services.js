// The services, and one of them with its routes and workers.

import {Table, find, make, setAttribute, setClass, setText} from "./dom.js";
import {bytes, count, percent, rate, seconds} from "./format.js";
import {ALL, totals} from "./history.js";
import {FORMATS, Plot} from "./plots.js";

const MOST_LINES = 8;  // of a plot
const CRASHES = ["crash", "start", "watchdog"];

export function restarts(service) {
  return CRASHES.reduce((sum, reason) => sum + (service.exits[reason] ?? 0), 0);
}

// How unevenly connections are spread: the most of a worker, divided by the mean.
export function skew(workers) {
  const numbers = workers.map(each => each.connections);
  const sum = numbers.reduce((a, b) => a + b, 0);
  return sum ? (Math.max(...numbers) * numbers.length) / sum : null;
}

// Few connections are uneven by chance.
const isSkewed = workers => skew(workers) >= 2 && sum(workers, "connections") >= 4 * workers.length;
const sum = (workers, field) => workers.reduce((total, each) => total + each[field], 0);
const isBad = row => row.service.status === "failed" || row.service.total.error_rate > 0;

export class ServiceTable {
  constructor(choose) {
    this.filter = find("#filter");
    this.filter.addEventListener("input", () => this.show(this.rows, this.chosen));
    this.rows = [];
    this.table = new Table(find("#service-table"), [
      {title: "Service", text_: true, text: row => row.key, order: row => row.key},
      {title: "State", text_: true, text: row => row.service.status, order: row => row.service.status,
        tone: row => ({ready: "good", failed: "bad"})[row.service.status] ?? "warn"},
      {title: "Workers", text_: true, draw: squares},
      {title: "Requests/s", text: row => rate(row.service.total.rate), order: row => row.service.total.rate},
      {title: "Errors/s", text: row => rate(row.service.total.error_rate), order: row => row.service.total.error_rate,
        tone: row => (isBad(row) ? "bad" : "")},
      {title: "p50", wide: true, text: row => seconds(row.service.total.p50), order: row => row.service.total.p50},
      {title: "p99", text: row => seconds(row.service.total.p99), order: row => row.service.total.p99},
      {title: "Restarts", text: row => count(restarts(row.service)), order: row => restarts(row.service),
        tone: row => (restarts(row.service) ? "warn" : "")},
      {title: "Requests", wide: true, text: row => count(row.service.total.requests), order: row => row.service.total.requests},
      {title: "Errors", wide: true, text: row => count(row.service.total.errors), order: row => row.service.total.errors},
      {title: "In flight", wide: true, text: row => count(sum(row.service.workers, "inflight"))},
      {title: "Skew", wide: true, text: row => rate(skew(row.service.workers)), order: row => skew(row.service.workers),
        tone: row => (isSkewed(row.service.workers) ? "warn" : "")},
      {title: "CPU", wide: true, text: row => percent(row.totals.cpu), order: row => row.totals.cpu},
      {title: "Memory", wide: true, text: row => bytes(row.totals.resident), order: row => row.totals.resident},
    ], {empty: "No service.", choose, sort: null});
  }

  show(rows, chosen) {
    this.rows = rows;
    this.chosen = chosen;
    const wanted = this.filter.value.trim().toLowerCase();
    this.table.show(rows.filter(row => row.key.toLowerCase().includes(wanted)), chosen);
  }
}

export function serviceRows(snapshot) {
  return Object.entries(snapshot.services).map(([key, service]) => ({key, service, totals: totals(service.workers)}));
}

function squares(cell, row) {
  const workers = row.service.workers;
  let box = cell.firstElementChild;
  if (!box) {
    box = make("span", {class: "squares", role: "img"});
    cell.append(box);
  }
  while (box.childElementCount > workers.length) box.lastElementChild.remove();
  while (box.childElementCount < workers.length) box.append(make("i"));
  const phases = new Map();
  workers.forEach((worker, index) => {
    setClass(box.children[index], worker.pid === null ? "dead" : worker.phase);
    phases.set(worker.phase, (phases.get(worker.phase) ?? 0) + 1);
  });
  setAttribute(box, "aria-label", [...phases].map(([phase, number]) => `${number} ${phase}`).join(", ") || "none");
}

export class Detail {
  constructor(chooseRoute) {
    this.rate = new Plot(find("#rate-plot"), "Requests per second", {y: FORMATS.rate});
    this.errors = new Plot(find("#error-plot"), "Errors per second", {y: FORMATS.rate});
    this.latency = new Plot(find("#latency-plot"), "Latency", {y: FORMATS.seconds});
    this.cpu = new Plot(find("#cpu-plot"), "CPU and memory", {cpu: FORMATS.rate, memory: FORMATS.bytes});
    this.routes = new Table(find("#route-table"), routeColumns(), {
      empty: "No request yet.", choose: chooseRoute, sort: {index: 1, falling: true},
    });
    this.workers = new Table(find("#worker-table"), workerColumns(), {empty: "No worker.", key: row => row.slot + " " + row.pid});
  }

  show(name, service, history, route) {
    setText(find("#detail-title"), name);
    const exits = Object.entries(service.exits).map(([reason, number]) => `${number} ${reason}`).join(", ");
    setText(find("#problem"), exits ? `Workers that have ended: ${exits}` : "No worker has ended.");
    const rows = [{key: ALL, row: service.total}, ...Object.entries(service.routes).map(([key, row]) => ({key, row}))];
    this.routes.show(rows, route);
    this.workers.show(service.workers);
    this.#plots(name, history, route);
  }

  #plots(name, history, route) {
    const routes = history.routes(name);
    const busiest = [...routes.entries()].filter(([key]) => key !== ALL).sort((a, b) => total(b[1]) - total(a[1]));
    const lines = busiest.slice(0, MOST_LINES).sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const shown = lines.length ? lines : [...routes.entries()];
    this.rate.show(history.times, shown.map(([key, each]) => ({label: routeName(key), values: each.values.rate})));
    this.errors.show(history.times, shown.map(([key, each]) => ({label: routeName(key), values: each.values.error_rate})));
    const chosen = routes.get(route) ?? routes.get(ALL);
    setText(find("#latency-title"), `Latency of ${routeName(routes.has(route) ? route : ALL)}`);
    if (chosen) {
      this.latency.show(history.times, ["p50", "p90", "p99"].map(label => ({label, values: chosen.values[label]})));
    }
    const process = history.process(name);
    if (process) {
      this.cpu.show(history.times, [
        {label: "CPUs", values: process.values.cpu, scale: "cpu"},
        {label: "memory", values: process.values.resident, scale: "memory"},
      ]);
    }
  }
}

function total(series) {
  return series.values.rate.reduce((found, value) => found + (value ?? 0), 0);
}

export function routeName(key) {
  return key === ALL ? "all routes" : key;
}

function routeColumns() {
  return [
    {title: "Route", text_: true, wrap: true, text: each => routeName(each.key), order: each => each.key},
    {title: "Requests/s", text: each => rate(each.row.rate), order: each => each.row.rate},
    {title: "Errors/s", text: each => rate(each.row.error_rate), order: each => each.row.error_rate,
      tone: each => (each.row.error_rate > 0 ? "bad" : "")},
    {title: "p50", text: each => seconds(each.row.p50), order: each => each.row.p50},
    {title: "p90", text: each => seconds(each.row.p90), order: each => each.row.p90},
    {title: "p99", text: each => seconds(each.row.p99), order: each => each.row.p99},
    {title: "Requests", wide: true, text: each => count(each.row.requests), order: each => each.row.requests},
    {title: "Errors", wide: true, text: each => count(each.row.errors), order: each => each.row.errors},
    {title: "Codes", text_: true, wide: true, text: each => codes(each.row.codes)},
  ];
}

function codes(found) {
  return Object.entries(found).map(([code, number]) => `${code === "0" ? "other" : code}: ${count(number)}`).join("  ");
}

function workerColumns() {
  return [
    {title: "Slot", text: row => row.slot, order: row => row.slot},
    {title: "PID", text: row => row.pid ?? "–", order: row => row.pid},
    {title: "Phase", text_: true, text: row => row.phase, order: row => row.phase,
      tone: row => (row.phase === "ready" ? "good" : "warn")},
    {title: "Generation", text: row => row.generation, order: row => row.generation},
    {title: "Uptime", text: row => seconds(row.uptime), order: row => row.uptime},
    {title: "Connections", text: row => count(row.connections), order: row => row.connections},
    {title: "In flight", text: row => count(row.inflight), order: row => row.inflight},
    {title: "Queued", wide: true, text: row => count(row.queued), order: row => row.queued},
    {title: "Requests", text: row => count(row.requests), order: row => row.requests},
    {title: "Errors", text: row => count(row.errors), order: row => row.errors},
    {title: "CPU", text: row => percent(row.cpu), order: row => row.cpu},
    {title: "Memory", text: row => bytes(row.resident), order: row => row.resident},
    {title: "Shared", wide: true, text: row => bytes(row.shared), order: row => row.shared},
    {title: "Files", wide: true, text: row => (row.descriptors < 0 ? "–" : count(row.descriptors)), order: row => row.descriptors},
    {title: "Loop lag", wide: true, text: row => seconds(row.lag), order: row => row.lag},
  ];
}
