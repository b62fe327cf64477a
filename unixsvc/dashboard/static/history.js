// The figures of the last minutes, for the plots.

export const LENGTH = 300;
const MOST_ROUTES = 64;  // of a service
export const ALL = "";  // all routes of a service
const FIELDS = ["rate", "error_rate", "p50", "p90", "p99"];

class Series {
  constructor(fields, length) {
    this.values = Object.fromEntries(fields.map(field => [field, new Array(length).fill(null)]));
    this.seen = 0;
  }

  push(row) {
    for (const [field, values] of Object.entries(this.values)) {
      values.push(row === undefined ? null : row[field] ?? null);
      if (values.length > LENGTH) values.shift();
    }
  }
}

export class History {
  constructor() {
    this.times = [];
    this.services = new Map();
  }

  add(snapshot) {
    const before = this.times.length;
    this.times.push(snapshot.time);
    if (this.times.length > LENGTH) this.times.shift();
    for (const name of this.services.keys()) {
      if (!(name in snapshot.services)) this.services.delete(name);
    }
    for (const [name, service] of Object.entries(snapshot.services)) {
      const found = this.services.get(name) ?? this.#begin(name, before);
      this.#pushRoutes(found, service, before);
      found.process.push(totals(service.workers));
    }
  }

  #begin(name, length) {
    const begun = {routes: new Map(), process: new Series(["cpu", "resident"], Math.min(length, LENGTH))};
    this.services.set(name, begun);
    return begun;
  }

  #pushRoutes(found, service, length) {
    for (const route of [ALL, ...Object.keys(service.routes)]) {
      if (!found.routes.has(route) && found.routes.size <= MOST_ROUTES) {
        found.routes.set(route, new Series(FIELDS, Math.min(length, LENGTH)));
      }
    }
    for (const [route, series] of found.routes) {
      series.push(route === ALL ? service.total : service.routes[route]);
    }
  }

  routes(name) {
    return this.services.get(name)?.routes ?? new Map();
  }

  process(name) {
    return this.services.get(name)?.process;
  }

  // The greatest value of a field in the last minute; null if there is none.
  peak(name, route, field) {
    const values = this.routes(name).get(route)?.values[field] ?? [];
    let found = null;
    for (const value of values.slice(-60)) if (value !== null && (found === null || value > found)) found = value;
    return found;
  }
}

export function totals(workers) {
  let [cpu, resident] = [null, 0];
  for (const each of workers) {
    if (each.cpu !== null && each.cpu !== undefined) cpu = (cpu ?? 0) + each.cpu;
    resident += each.resident ?? 0;
  }
  return {cpu, resident};
}
