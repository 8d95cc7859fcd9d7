// The faults side: break each part on purpose, and mend it.

import { el, labelled, sync, toast } from "./dom.js";
import { get, request } from "./http.js";
import { t } from "./strings.js";

const panel = document.getElementById("panel-faults");
const PARTS = ["discord", "llm", "smtp", "imap"];
const KINDS = ["latency", "429", "5xx", "reset", "hang", "truncated", "lost_answer"];

export function drawFaults() {
  panel.replaceChildren(
    el("div", { class: "intro" }, el("p", {}, t("faultsIntro")),
      el("button", { type: "button", class: "ghost", "data-testid": "faults-clear-all", onclick: act(async () => { await request("DELETE", "/api/faults"); }) }, t("mendAll"))),
    el("div", { class: "cards" }, PARTS.map(card), manners()));
  refreshFaults().catch(complain);
  fillManners().catch(complain);
}

export async function refreshFaults() {
  const set = await get("/api/faults");
  for (const part of PARTS) {
    const list = document.getElementById(`faults-${part}`);
    if (!list) return;
    list.dataset.empty = t("working");
    sync(list, set[part].map((fault, index) => ({ ...fault, index })), {
      key: (fault) => fault.index, stamp: JSON.stringify,
      build: (fault) => el("li", { "data-testid": `fault-${part}` }, describe(fault)),
    });
    list.closest(".card").classList.toggle("broken", set[part].length > 0);
  }
}

function describe(fault) {
  const share = fault.share ? ` · ${Math.round(fault.share * 100)} %` : "";
  const left = fault.left ? ` · ${t("left", { n: fault.left })}` : "";
  const match = fault.match ? ` · “${fault.match}”` : "";
  return `${t(`fault.${fault.kind}`)}${share}${left}${match}`;
}

function card(part) {
  const kind = el("select", { "data-testid": `fault-kind-${part}` }, KINDS.map((name) => el("option", { value: name }, t(`fault.${name}`))));
  const span = el("select", { "data-testid": `fault-span-${part}` }, ["next", "share", "always"].map((name) => el("option", { value: name }, t(name))));
  const fields = {
    count: number("1", 1, 100000, 1), percent: number("30", 1, 100, 1), seconds: number("2", 0, 3600, 0.1),
    status: number(part === "smtp" ? "421" : "503", 400, 599, 1), retry_after: number("2", 0, 3600, 0.1),
    scope: el("select", {}, ["user", "global", "shared"].map((name) => el("option", { value: name }, name))),
    at: el("select", {}, el("option", { value: "call" }, t("atCall")), el("option", { value: "connect" }, t("atConnect"))),
    match: el("input", { type: "text", maxlength: "200" }),
  };
  const labels = { count: "count", percent: "percent", seconds: "seconds", status: "status", retry_after: "retryAfter", scope: "scope", at: "at", match: "match" };
  const rows = Object.fromEntries(Object.entries(fields).map(([name, control]) => [name, labelled(t(labels[name]), control)]));
  const mail = part === "smtp" || part === "imap";
  const fit = () => {
    rows.count.hidden = span.value !== "next";
    rows.percent.hidden = span.value !== "share";
    rows.seconds.hidden = !["latency", "hang"].includes(kind.value);
    rows.status.hidden = kind.value !== "5xx" || part === "imap";
    rows.retry_after.hidden = kind.value !== "429" || mail;
    rows.scope.hidden = kind.value !== "429" || part !== "discord";
    rows.at.hidden = !mail;
  };
  kind.addEventListener("change", fit);
  span.addEventListener("change", fit);
  fit();
  const submit = act(async () => { await request("PUT", `/api/faults/${part}`, faultOf(part, kind.value, span.value, fields, rows)); });
  return el("form", { class: "card", onsubmit: (event) => { event.preventDefault(); submit(); } },
    el("h2", {}, t(`part.${part}`)), el("ul", { class: "set", id: `faults-${part}`, "aria-live": "polite" }),
    labelled(t("kind"), kind), labelled(t("howMany"), span), Object.values(rows),
    el("div", { class: "row" },
      el("button", { type: "submit", class: "danger", "data-testid": `fault-set-${part}` }, t("breakIt")),
      el("button", { type: "button", class: "ghost", "data-testid": `fault-clear-${part}`, onclick: act(async () => { await request("DELETE", `/api/faults/${part}`); }) }, t("mend"))));
}

const number = (value, min, max, step) => el("input", { type: "number", value, min, max, step, required: true });

function faultOf(part, kind, span, fields, rows) {
  const fault = { kind };
  if (span === "next") fault.count = Number(fields.count.value);
  if (span === "share") fault.share = Number(fields.percent.value) / 100;
  for (const name of ["seconds", "status", "retry_after"]) if (!rows[name].hidden) fault[name] = Number(fields[name].value);
  for (const name of ["scope", "at"]) if (!rows[name].hidden) fault[name] = fields[name].value;
  if (fields.match.value) fault.match = fields.match.value;
  return fault;
}

function manners() {
  const wide = (id, attributes) => el("input", { id, type: "number", min: "0", ...attributes });
  return el("form", { class: "card", onsubmit: (event) => { event.preventDefault(); applyManners().catch(complain); } },
    el("h2", {}, t("llmManners")),
    labelled(t("latency"), wide("llm-latency", { step: "0.1", max: "600", required: true, "data-testid": "llm-latency" })),
    labelled(t("answerChars"), wide("llm-chars", { step: "1", max: "200000", required: true })),
    labelled(t("rpm"), wide("llm-rpm", { step: "1", placeholder: t("noLimit"), "data-testid": "llm-rpm" })),
    labelled(t("tpm"), wide("llm-tpm", { step: "1", placeholder: t("noLimit") })),
    el("div", { class: "row" }, el("button", { type: "submit", class: "primary", "data-testid": "llm-apply" }, t("apply"))));
}

const value = (id) => document.getElementById(id).value;

async function fillManners() {
  const settings = await get("/api/settings");
  document.getElementById("llm-latency").value = settings.llm.latency_s;
  document.getElementById("llm-chars").value = settings.llm.answer_chars;
  document.getElementById("llm-rpm").value = settings.llm_limits.rpm ?? "";
  document.getElementById("llm-tpm").value = settings.llm_limits.tpm ?? "";
}

async function applyManners() {
  const limit = (id) => (value(id) === "" ? null : Number(value(id)));
  await request("PUT", "/api/llm/settings", { latency_s: Number(value("llm-latency")), answer_chars: Number(value("llm-chars")) });
  await request("PUT", "/api/llm/limits", { rpm: limit("llm-rpm"), tpm: limit("llm-tpm") });
  toast(t("applied"));
}

const complain = (error) => toast(error.message);
const act = (what) => () => what().then(refreshFaults).catch(complain);
