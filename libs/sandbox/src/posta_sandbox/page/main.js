// Brings the page to life: tabs, language, and the poll that keeps everything fresh.

import { openDrawer, redrawCalls, refreshCalls, startCalls } from "./calls.js";
import { redrawChat, showTimeline, startChat } from "./chat.js";
import { drawFaults, refreshFaults } from "./faults.js";
import { watcher } from "./http.js";
import { drawMail, refreshMail } from "./mail.js";
import { otherLanguage, setLanguage, t, translateDocument } from "./strings.js";
import { chooseTrace, drawTraces, refreshTraces } from "./traces.js";

const TABS = ["chat", "mail", "faults", "traces"];
const POLL_MS = 500;
const MAIL_EVERY = 4; // mail is read over IMAP: every so many polls
const look = watcher("/api/timeline");
let tab = "chat";
let polls = 0;
let polling = null;
let mailAddress = "";

function showTab(place) {
  const [name, detail] = place.split("/");
  tab = TABS.includes(name) ? name : "chat";
  for (const other of TABS) {
    const button = document.getElementById(`tab-${other}`);
    button.setAttribute("aria-selected", String(other === tab));
    button.tabIndex = other === tab ? 0 : -1;
    document.getElementById(`panel-${other}`).hidden = other !== tab;
  }
  if (tab === "mail") refreshMail();
  if (tab === "faults") drawFaults();
  if (tab === "traces" && detail) chooseTrace(detail);
  if (tab === "traces") refreshTraces().catch(offline);
  history.replaceState(null, "", `#${[tab, detail].filter(Boolean).join("/")}`);
}

function startTabs() {
  const list = document.querySelector("[role=tablist]");
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tab]");
    if (button) showTab(button.dataset.tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    showTab(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
    document.getElementById(`tab-${tab}`).focus();
  });
  window.addEventListener("hashchange", () => showTab(location.hash.slice(1)));
}

function translate() {
  translateDocument();
  const other = document.getElementById("language");
  other.textContent = otherLanguage() === "es" ? "Español" : "English";
  other.lang = otherLanguage();
  redrawChat();
  redrawCalls();
  drawMail(mailAddress);
  drawTraces();
  document.getElementById("link-state").className = "link-state";
  if (tab === "faults") drawFaults();
}

function poll() {
  polling ??= pollOnce().finally(() => { polling = null; });
  return polling;
}

async function pollOnce() {
  const state = document.getElementById("link-state");
  try {
    const changed = await look();
    if (changed) take(changed);
    if (changed) await Promise.all([refreshCalls(), tab === "faults" && refreshFaults(), tab === "traces" && refreshTraces()]);
    if (tab === "mail" && polls++ % MAIL_EVERY === 0) await refreshMail();
    if (state.className !== "link-state on") {
      state.className = "link-state on";
      state.textContent = t("connected");
    }
  } catch {
    offline();
  }
}

function offline() {
  const state = document.getElementById("link-state");
  state.className = "link-state off";
  state.textContent = t("disconnected");
}

function take(timeline) {
  if (timeline.mail_address !== mailAddress) {
    mailAddress = timeline.mail_address;
    drawMail(mailAddress);
  }
  const broken = Object.values(timeline.faults).reduce((sum, n) => sum + n, 0);
  const mark = document.getElementById("fault-count");
  mark.textContent = String(broken);
  mark.hidden = broken === 0;
  showTimeline(timeline);
}

startTabs();
startCalls();
startChat({ onRaw: openDrawer, onSent: poll });
document.getElementById("language").addEventListener("click", () => { setLanguage(otherLanguage()); translate(); });
translate();
showTab(location.hash.slice(1));
await poll();
setInterval(poll, POLL_MS);
document.getElementById("question").focus();
