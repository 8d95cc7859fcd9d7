// The traces side: the newest traces, and where the time of one of them went.

import { colourOf, el, sync, toast } from "./dom.js";
import { get } from "./http.js";
import { currentLanguage, t, time } from "./strings.js";

const panel = document.getElementById("panel-traces");
let list = [];
let chosen = null;
let showSingle = false;

export function drawTraces() {
  panel.replaceChildren(
    el("section", { class: "card trace-list" }, el("h2", {}, t("traceList")), single(), el("ol", { id: "trace-list" })),
    el("section", { class: "card waterfall", id: "waterfall", "data-testid": "waterfall", "aria-live": "polite" }, el("p", { class: "muted" }, t("chooseTrace"))));
  drawList();
  if (chosen) show(chosen).catch(complain);
}

export function chooseTrace(traceId) {
  chosen = traceId;
  drawTraces();
}

export async function refreshTraces() {
  list = await get("/api/traces?limit=400");
  drawList();
}

// One-span traces (a poller that found nothing) would hide the ones that tell a story.
function single() {
  const box = el("input", { type: "checkbox", checked: showSingle, onchange: () => { showSingle = box.checked; drawList(); } });
  return el("label", { class: "check" }, box, t("singleSpans"));
}

function drawList() {
  const node = document.getElementById("trace-list");
  if (!node) return;
  node.dataset.empty = t("noTraces");
  const shown = list.filter((trace) => showSingle || trace.spans > 1 || trace.errors);
  sync(node, shown, {
    key: (trace) => trace.trace_id,
    stamp: (trace) => JSON.stringify([trace, chosen === trace.trace_id, currentLanguage()]),
    build: (trace) => el("li", {}, el("button", {
      type: "button", class: "trace", "data-testid": "trace", "aria-current": chosen === trace.trace_id ? "true" : undefined,
      onclick: () => { chosen = trace.trace_id; drawList(); show(chosen).catch(complain); },
    }, el("b", {}, trace.name), el("span", { class: "muted" }, `${time(Number(BigInt(trace.start_ns) / 1000000n) / 1000)} · ${length(trace.ms)} · ${trace.spans === 1 ? t("span1") : t("spans", { n: trace.spans })}`),
    el("span", { class: "services" }, trace.services.map((name) => chip(name))),
    trace.errors ? el("span", { class: "fault-mark" }, t("errors", { n: trace.errors })) : null)),
  });
}

const length = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`);

function chip(name) {
  const node = el("span", { class: "chip" }, el("i"), name);
  node.firstChild.style.background = colourOf(name);
  return node;
}

async function show(traceId) {
  const { spans } = await get(`/api/traces/${traceId}`);
  const nanoseconds = spans.map((span) => [BigInt(span.start_ns), BigInt(span.end_ns)]);
  const start = nanoseconds.reduce((low, [at]) => (at < low ? at : low), nanoseconds[0][0]);
  const end = nanoseconds.reduce((high, [, at]) => (at > high ? at : high), nanoseconds[0][1]);
  const total = Math.max(Number(end - start), 1);
  const rows = inOrder(spans).map(({ span, depth }) => {
    const from = Number(BigInt(span.start_ns) - start) / total;
    const width = Number(BigInt(span.end_ns) - BigInt(span.start_ns)) / total;
    return bar(span, depth, from, width);
  });
  document.getElementById("waterfall").replaceChildren(
    el("h2", {}, spans[0].name, el("small", { class: "mono muted" }, traceId)),
    el("p", { class: "muted" }, `${t("duration")} ${length(total / 1e6)}`),
    el("ol", { class: "bars" }, rows));
}

function inOrder(spans) {
  const known = new Set(spans.map((span) => span.span_id));
  const children = new Map();
  for (const span of spans) {
    const parent = known.has(span.parent_span_id) ? span.parent_span_id : null;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows = [];
  const walk = (parent, depth) => {
    for (const span of children.get(parent) ?? []) {
      rows.push({ span, depth });
      walk(span.span_id, depth + 1);
    }
  };
  walk(null, 0);
  return rows;
}

function bar(span, depth, from, width) {
  const label = el("span", { class: "bar-name" }, chip(span.service), " ", span.name);
  label.style.paddingInlineStart = `${depth * 14}px`;
  const line = el("i", { class: span.status === "error" ? "bar error" : "bar" });
  line.style.marginInlineStart = `${(from * 100).toFixed(3)}%`;
  line.style.width = `max(3px, ${(width * 100).toFixed(3)}%)`;
  line.style.background = span.status === "error" ? "" : colourOf(span.service);
  const facts = { kind: span.kind, scope: span.scope, ...span.attributes };
  if (span.status === "error") facts.error = span.status_message || "error";
  return el("li", { "data-testid": "span" }, el("details", {},
    el("summary", {}, label, el("span", { class: "track" }, line), el("span", { class: "bar-ms" }, length(span.ms))),
    el("dl", {}, Object.entries(facts).map(([name, value]) => [el("dt", {}, name), el("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))]),
      span.events.map((event) => [el("dt", {}, `⚑ ${event.name}`), el("dd", {}, JSON.stringify(event.attributes))]),
      span.links.map((link) => [el("dt", {}, t("links")), el("dd", { class: "mono" }, link.trace_id)]))));
}

const complain = (error) => toast(error.message);
