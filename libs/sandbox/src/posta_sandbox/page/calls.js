// The drawer of raw HTTP: every call the sandbox received or sent, secrets masked.

import { el, sync, toast } from "./dom.js";
import { get } from "./http.js";
import { t, time } from "./strings.js";

const drawer = document.getElementById("drawer");
const SERVICES = ["ingress", "discord", "llm", "smtp", "imap"];
let about = null; // the id of the message whose calls are shown
let question = ""; // what it asked: the LLM is told that, not who asked
let service = "";
let calls = [];
let open = null; // the call that is shown whole

export function startCalls() {
  document.getElementById("raw-toggle").addEventListener("click", () => (drawer.hidden ? openDrawer() : closeDrawer()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !drawer.hidden) closeDrawer();
  });
}

export function openDrawer(messageId = null, asked = "") {
  about = messageId;
  question = asked;
  service = "";
  open = null;
  drawer.hidden = false;
  document.getElementById("raw-toggle").setAttribute("aria-expanded", "true");
  frame();
  refreshCalls();
  drawer.querySelector("button").focus();
}

function closeDrawer() {
  drawer.hidden = true;
  const toggle = document.getElementById("raw-toggle");
  toggle.setAttribute("aria-expanded", "false");
  toggle.focus();
}

export function redrawCalls() {
  if (!drawer.hidden) {
    frame();
    drawList();
  }
}

export async function refreshCalls() {
  if (drawer.hidden || open) return;
  calls = await get(`/api/calls?limit=${about ? 2000 : 300}${service ? `&service=${service}` : ""}`);
  drawList();
}

function frame() {
  const filter = el("select", { "aria-label": t("service"), onchange: (event) => { service = event.target.value; refreshCalls().catch(complain); } },
    el("option", { value: "" }, t("all")), SERVICES.map((name) => el("option", { value: name, selected: name === service }, name)));
  drawer.replaceChildren(
    el("div", { class: "drawer-top" },
      el("h2", {}, about ? t("callsOf") : t("rawHttp")),
      about ? el("button", { type: "button", class: "ghost", onclick: () => openDrawer() }, t("showAll")) : filter,
      el("button", { type: "button", class: "ghost", "aria-label": t("close"), onclick: closeDrawer }, "✕")),
    el("ol", { class: "calls", id: "calls" }));
}

function drawList() {
  const list = document.getElementById("calls");
  if (!list) return;
  const shown = (about ? callsOf(about) : [...calls]).reverse();
  list.dataset.empty = t("noCalls");
  sync(list, shown, { key: (call) => call.id, stamp: (call) => JSON.stringify(call), build: line });
}

// A message's own calls, those of its trace, and its question as it was put to the LLM.
function callsOf(id) {
  const own = (call) => Object.values(call.hints).includes(id) || call.path.includes(id);
  const traces = new Set(calls.filter(own).map((call) => call.hints.trace).filter(Boolean));
  const asks = (call) => call.service === "llm" && call.hints.question && question.startsWith(call.hints.question);
  return calls.filter((call) => own(call) || traces.has(call.hints.trace) || asks(call));
}

function line(call) {
  return el("li", {}, el("button", { type: "button", class: "call", "data-testid": "raw-call", onclick: () => show(call.id).catch(complain) },
    el("span", { class: `service ${call.service}` }, call.service),
    el("span", { class: "call-path" }, el("b", {}, call.method), " ", call.path),
    call.fault && el("span", { class: "fault-mark" }, call.fault),
    el("span", { class: `status ${tone(call)}` }, statusOf(call)),
    el("time", {}, time(call.at))));
}

const statusOf = (call) => call.status ?? (call.ms === null ? t("inProgress") : t("cutOff"));

function tone(call) {
  if (call.status === null) return "bad";
  const good = typeof call.status === "number" ? call.status < 300 || call.status === 354 : call.status === "OK";
  return good ? "good" : "bad";
}

async function show(id) {
  const call = await get(`/api/calls/${id}`);
  open = id;
  const back = el("button", { type: "button", class: "ghost", onclick: () => { open = null; frame(); refreshCalls().catch(complain); } }, "← ", t("back"));
  drawer.replaceChildren(
    el("div", { class: "drawer-top" }, back, el("button", { type: "button", class: "ghost", "aria-label": t("close"), onclick: closeDrawer }, "✕")),
    el("div", { class: "call-detail", "data-testid": "raw-detail" },
      el("p", { class: "call-head" }, el("span", { class: `service ${call.service}` }, call.service), ` #${call.id} `,
        call.service === "ingress" ? t("sent") : t("received"), ` ${time(call.at)}`, call.ms !== null && ` · ${call.ms} ms`,
        call.fault && el("span", { class: "fault-mark" }, call.fault)),
      call.hints.trace && el("p", {}, el("a", { href: `#traces/${call.hints.trace}`, "data-testid": "call-trace" }, t("toTrace"))),
      !call.kept && el("p", { class: "muted" }, t("bodyGone")),
      part(t("request"), `${call.method} ${call.path}`, call.request),
      part(t("response"), String(statusOf(call)), call.response),
      el("p", { class: "muted mono" }, `sha256 ${call.body_sha256}`)));
  back.focus();
}

function part(title, first, { headers, body }) {
  return el("section", {}, el("h3", {}, title),
    el("pre", { tabindex: "0" }, el("b", {}, first), "\n",
      headers.map(([name, value]) => [el("span", { class: "header-name" }, name), `: ${value}\n`]), "\n", pretty(body) || t("emptyBody")));
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

const complain = (error) => toast(error.message);
