// The webhooks of a channel: how full each one's bucket is, whether it was deleted, and a way to do that.

import { el, sync, toast } from "./dom.js";
import { request } from "./http.js";
import { currentLanguage, t } from "./strings.js";

const DOTS_MOST = 10;
let ticking = 0;

export function drawWebhooks(list, webhooks, changed) {
  list.hidden = !webhooks.length;
  sync(list, webhooks, {
    key: (one) => one.name,
    stamp: (one) => JSON.stringify([one, currentLanguage()]),
    build: (one) => line(one, changed),
  });
  clearInterval(ticking);
  countDown(list);
  if (webhooks.some((one) => one.opens_at)) ticking = setInterval(() => countDown(list), 100);
}

function line(one, changed) {
  const act = async (method, path, body) => {
    await request(method, path, body).catch((error) => toast(error.message));
    await changed();
  };
  const state = one.deleted ? "deleted" : one.opens_at ? "closed" : "open";
  return el("li", { class: `hook ${state}`, "data-testid": `hook-${one.name}`, "data-state": state, "data-opens-at": one.opens_at },
    el("b", {}, one.name),
    one.deleted
      ? el("span", { class: "hook-state" }, t("hookDeleted"))
      : [meter(one), el("span", { class: "hook-state", "data-left": t("hookLeft", { n: one.remaining, limit: one.limit }) })],
    one.refused > 0 && el("span", { class: "fault-mark" }, t("hookRefused", { n: one.refused })),
    one.deleted
      ? el("button", { type: "button", class: "quiet", "data-testid": `restore-${one.name}`, onclick: () => act("POST", "/api/webhooks", { name: one.name, channel: one.channel }) }, t("hookRestore"))
      : el("button", { type: "button", class: "quiet", "data-testid": `delete-${one.name}`, onclick: () => act("DELETE", `/api/webhooks/${encodeURIComponent(one.name)}`) }, t("hookDelete")));
}

function meter(one) {
  if (!one.limit || one.limit > DOTS_MOST) return null;
  return el("span", { class: "dots-left", "aria-hidden": "true" }, Array.from({ length: one.limit }, (_, n) => el("i", { class: n < one.remaining ? "" : "used" })));
}

// Between two polls the time goes on: a bucket that has opened says so at once.
function countDown(list) {
  for (const node of list.querySelectorAll("[data-left]")) {
    const hook = node.closest("li");
    const left = Number(hook.dataset.opensAt) - Date.now() / 1000;
    const closed = hook.dataset.opensAt !== undefined && left > 0;
    hook.classList.toggle("closed", closed);
    node.textContent = closed ? t("hookCloses", { s: left.toFixed(1) }) : hook.dataset.opensAt ? t("hookOpen") : node.dataset.left;
  }
}
