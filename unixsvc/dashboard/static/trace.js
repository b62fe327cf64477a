// Links from log lines and calls to their traces.

import {setClass} from "./dom.js";

let template = "";

export function useTraceLink(text) {
  template = text;
  setClass(document.body, text ? "traced" : "");
}

// The address of the trace of a row; empty without one.
function address(row) {
  return template && /^[0-9a-f]{32}$/.test(row.trace_id ?? "") ? template.replace("{trace_id}", row.trace_id) : "";
}

// A column of a table: it is shown if traces have addresses.
export const TRACE = {title: "Trace", text_: true, trace: true, text: row => (address(row) ? "trace" : ""), link: address,
  label: row => `Trace ${row.trace_id}`};
