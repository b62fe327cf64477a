// The services and their calls, as a picture and as a table.

import {setAttribute, setText} from "./dom.js";
import {rate} from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, GAP_X, GAP_Y] = [132, 42, 92, 18];

// The state of the circuit breakers of the workers that call.
export function breaker(call) {
  if (call.open) return "open";
  if (call.half_open) return "half-open";
  return "closed";
}

export function tone(call) {
  if (call.open) return "bad";
  return call.half_open ? "warn" : "good";
}

export function callsOf(snapshot) {
  return Object.entries(snapshot.services).flatMap(([from, service]) =>
    Object.entries(service.calls).map(([to, call]) => ({key: `${from} → ${to}`, from, to, ...call})));
}

// The column of each service: behind all that call it. A circle ends where it began.
export function columns(names, calls) {
  const found = new Map(names.map(name => [name, 0]));
  for (let round = 0; round < names.length; round++) {
    let changed = false;
    for (const {from, to} of calls) {
      const wanted = found.get(from) + 1;
      if (from !== to && found.has(to) && found.get(to) < wanted && wanted < names.length) {
        found.set(to, wanted);
        changed = true;
      }
    }
    if (!changed) break;
  }
  return found;
}

export class Graph {
  constructor(element, choose) {
    this.element = element;
    this.choose = choose;
    this.shape = "";
  }

  show(snapshot, calls) {
    const names = [...new Set(calls.flatMap(call => [call.from, call.to]))];
    const shape = names.join(" ") + "|" + calls.map(call => call.key).join(" ");
    if (shape !== this.shape) this.#build(names, calls, shape);
    for (const [name, node] of this.nodes) {
      const service = snapshot.services[name];
      const failing = service?.total.error_rate > 0;
      const ready = service === undefined || service.status === "ready";
      setAttribute(node.box, "class", `node ${failing ? "bad" : ready ? "" : "warn"}`.trim());
      setText(node.text, service ? `${rate(service.total.rate)}/s${failing ? `, ${rate(service.total.error_rate)} errors/s` : ""}` : "elsewhere");
    }
    for (const call of calls) {
      const edge = this.edges.get(call.key);
      const state = tone(call);
      setAttribute(edge.path, "class", `edge ${state === "good" ? "" : state}`.trim());
      setText(edge.text, state === "good" ? rate(call.rate) : breaker(call));
    }
    setAttribute(this.svg, "aria-label", calls.map(call => `${call.key}: breaker ${breaker(call)}`).join("; ") || "no calls");
  }

  #build(names, calls, shape) {
    this.shape = shape;
    this.nodes = new Map();
    this.edges = new Map();
    const column = columns(names, calls);
    const used = new Map();
    const places = new Map(names.map(name => {
      const x = column.get(name);
      const y = used.get(x) ?? 0;
      used.set(x, y + 1);
      return [name, {x: 4 + x * (WIDTH + GAP_X), y: 4 + y * (HEIGHT + GAP_Y)}];
    }));
    const width = 8 + Math.max(1, ...[...column.values()].map(x => x + 1)) * (WIDTH + GAP_X) - GAP_X;
    const height = 8 + Math.max(1, ...used.values()) * (HEIGHT + GAP_Y);
    this.svg = draw("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img"});
    for (const call of calls) this.edges.set(call.key, this.#edge(places.get(call.from), places.get(call.to)));
    for (const name of names) this.nodes.set(name, this.#node(name, places.get(name)));
    this.element.replaceChildren(...(names.length ? [this.svg] : []));
  }

  #edge(from, to) {
    const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
    const bend = Math.max(Math.abs(x2 - x1) / 2, 30);
    const path = draw("path", {d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: "edge"});
    const text = draw("text", {x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 5, "text-anchor": "middle", class: "small"});
    this.svg.append(path, text);
    return {path, text};
  }

  #node(name, {x, y}) {
    const box = draw("rect", {x, y, width: WIDTH, height: HEIGHT, rx: 6, class: "node"});
    const title = draw("text", {x: x + 8, y: y + 17});
    title.textContent = name.length > 16 ? `${name.slice(0, 15)}…` : name;
    const text = draw("text", {x: x + 8, y: y + 34, class: "small"});
    const group = draw("g", {});
    group.append(box, title, text);
    group.addEventListener("click", () => this.choose(name));
    this.svg.append(group);
    return {box, text};
  }
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
