// Figures as text.

const NONE = "–";

export function seconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  if (value < 1e-3) return `${significant(value * 1e6)} µs`;
  if (value < 1) return `${significant(value * 1e3)} ms`;
  if (value < 120) return `${significant(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} d`;
}

export function rate(value) {
  return value === null || value === undefined ? NONE : significant(value);
}

export function count(value) {
  return value === null || value === undefined ? NONE : value.toLocaleString("en");
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  return value < 1048576 ? `${Math.round(value / 1024)} KiB` : `${significant(value / 1048576)} MiB`;
}

export function percent(value) {
  return value === null || value === undefined ? NONE : `${Math.round(value * 100)} %`;
}

function significant(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(2)).toString();
}
