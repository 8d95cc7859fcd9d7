// The mail side: write as a customer, look into the account's and the customers' boxes.

import { el, labelled, sync, toast } from "./dom.js";
import { get, request } from "./http.js";
import { currentLanguage, t } from "./strings.js";

const panel = document.getElementById("panel-mail");
let address = "";
let answering = null;
let messages = [];
let problem = "";
let hasServer = false;

export function drawMail(mailAddress) {
  address = mailAddress ?? address;
  const from = el("input", { type: "text", required: true, "data-testid": "mail-from", value: "Eva <eva@customer.test>" });
  const subject = el("input", { type: "text", "data-testid": "mail-subject", maxlength: "900", required: true });
  const text = el("textarea", { rows: "6", "data-testid": "mail-text", required: true });
  const form = el("form", { class: "card", id: "mail-form", onsubmit: (event) => send(event, from, subject, text) },
    el("h2", {}, t("write")), labelled(t("from"), from), el("p", { class: "muted" }, `${t("to")}: ${address}`),
    labelled(t("subject"), subject), el("p", { class: "answering", id: "answering" }), labelled(t("text"), text),
    el("button", { type: "submit", class: "primary", "data-testid": "mail-send" }, t("sendMail")));
  panel.replaceChildren(form,
    el("section", { class: "card box" }, el("h2", {}, t("inbox", { address })), el("ol", { id: "inbox", "data-testid": "mail-inbox" })),
    el("section", { class: "card box" }, el("h2", {}, t("customerBox")), el("ol", { id: "customer-box", "data-testid": "mail-customers" })));
  drawAnswering();
  drawBoxes();
}

export async function refreshMail() {
  try {
    hasServer ||= (await get("/api/mail/addresses")).smtp_port !== null;
    messages = hasServer ? await get("/api/mail") : [];
    problem = hasServer ? "" : t("noMailServer");
  } catch (error) {
    messages = [];
    problem = error.message;
  }
  drawBoxes();
}

function drawBoxes() {
  const boxes = [["inbox", (m) => m.box === "inbox"], ["customer-box", (m) => m.box !== "inbox"]];
  for (const [id, belongs] of boxes) {
    const list = document.getElementById(id);
    list.dataset.empty = problem || t("emptyBox");
    sync(list, messages.filter(belongs).reverse(), {
      key: (m) => `${m.box}/${m.id}`,
      stamp: (m) => JSON.stringify([m, currentLanguage()]),
      build: letter,
    });
  }
}

function letter(message) {
  const inbox = message.box === "inbox";
  return el("li", { class: "letter", "data-testid": "mail-message", "data-seen": message.seen ? "yes" : "no" }, el("details", {},
    el("summary", {},
      el("b", {}, message.subject || "—"), el("span", { class: "muted" }, inbox ? message.from : `${message.from} → ${message.box}`),
      el("span", { class: "marks" },
        el("span", { class: "mark" }, message.seen ? t("seen") : t("unseen")),
        message.in_reply_to && el("span", { class: "mark" }, t("thread")),
        message.auto_submitted && message.auto_submitted !== "no" && el("span", { class: "mark" }, t("automatic")))),
    el("pre", { class: "letter-text" }, message.text),
    !inbox && el("button", { type: "button", class: "ghost", onclick: () => answer(message) }, t("reply")),
    el("details", { class: "letter-headers" }, el("summary", {}, t("headers")),
      el("pre", { tabindex: "0" }, message.headers.map(([name, value]) => `${name}: ${value}\n`).join("")))));
}

function answer(message) {
  answering = message;
  const form = document.getElementById("mail-form");
  form.querySelector("[data-testid=mail-from]").value = message.box;
  const subject = message.subject ?? "";
  form.querySelector("[data-testid=mail-subject]").value = /^re:/i.test(subject) ? subject : `Re: ${subject}`;
  drawAnswering();
  form.querySelector("textarea").focus();
}

function drawAnswering() {
  const line = document.getElementById("answering");
  if (!answering) return line.replaceChildren();
  line.replaceChildren(`${t("answering")} ${answering.message_id} `,
    el("button", { type: "button", class: "ghost", onclick: () => { answering = null; drawAnswering(); } }, t("cancelReply")));
}

async function send(event, from, subject, text) {
  event.preventDefault();
  const body = { from: from.value, subject: subject.value, text: text.value };
  if (answering) {
    body.in_reply_to = answering.message_id;
    body.references = [answering.references, answering.message_id].filter(Boolean).join(" ");
  }
  try {
    await request("POST", "/api/mail", body);
  } catch (error) {
    return toast(error.message);
  }
  text.value = "";
  subject.value = "";
  answering = null;
  drawAnswering();
  toast(t("mailSent"));
  await refreshMail();
}
