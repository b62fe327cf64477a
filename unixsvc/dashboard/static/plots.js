// Moving plots.

import uPlot from "./uplot.js";
import {seconds, rate, bytes} from "./format.js";

const HEIGHT = 200;
const COLORS = 8;

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Plot {
  constructor(element, title, axes) {
    this.element = element;
    this.title = title;
    this.axes = axes;
    this.labels = "";
    this.plot = null;
    new ResizeObserver(() => this.#resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.labels = ""; });
  }

  // series: [{label, values, scale}]
  show(times, series) {
    const labels = series.map(each => each.label).join("\n");
    if (labels !== this.labels || this.plot === null) this.#build(series, labels);
    this.plot.setData([times, ...series.map(each => each.values)]);
    if (this.plot.cursor.idx == null) this.plot.setLegend({idx: times.length - 1});
    this.#describe(series);
  }

  #build(series, labels) {
    this.plot?.destroy();
    this.labels = labels;
    const [text, line] = [color("--muted"), color("--line")];
    const axis = {stroke: text, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
    const formats = this.axes;
    const options = {
      width: Math.max(this.element.clientWidth, 100),
      height: HEIGHT,
      cursor: {drag: {x: false, y: false}},
      scales: {x: {time: true}, ...Object.fromEntries(Object.keys(formats).map(name => [name, {range: fromZero}]))},
      series: [{}, ...series.map((each, index) => ({
        label: each.label,
        scale: each.scale ?? Object.keys(formats)[0],
        stroke: color(`--plot-${(index % COLORS) + 1}`),
        width: 1.5,
        dash: index % 2 ? [6, 3] : undefined,
        points: {show: false},
        value: (_, value) => formats[each.scale ?? Object.keys(formats)[0]](value),
      }))],
      axes: [
        {...axis, space: 70},
        ...Object.entries(formats).map(([scale, format], index) => ({
          ...axis, scale, size: 66, side: index ? 1 : 3, values: (_, ticks) => ticks.map(format),
          grid: index ? {show: false} : axis.grid,
        })),
      ],
    };
    this.plot = new uPlot(options, [[], ...series.map(() => [])], this.element);
    this.plot.root.setAttribute("role", "img");
  }

  #describe(series) {
    const latest = series.map(each => {
      const format = this.axes[each.scale ?? Object.keys(this.axes)[0]];
      return `${each.label} ${format(each.values.at(-1) ?? null)}`;
    });
    this.plot.root.setAttribute("aria-label", `${this.title}: ${latest.join(", ") || "nothing"}`);
  }

  #resize() {
    const width = this.element.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({width, height: HEIGHT});
  }
}

function fromZero(_, low, high) {
  return [0, high > 0 ? high * 1.1 : 1];
}

export const FORMATS = {seconds, rate, bytes};
