// The Discord side: channels, people, commands, and what came of them.

import { clearOptions, componentRows, definitionOf, drawOptions, invocation, loadCommands, mainOption, menuCommands, openForm, suggestions, typed } from "./commands.js";
import { avatar, botAvatar, el, sync, toast } from "./dom.js";
import { embed } from "./embed.js";
import { request } from "./http.js";
import { markdown } from "./markdown.js";
import { currentLanguage, t, time } from "./strings.js";
import { drawWebhooks } from "./webhooks.js";

const $ = (id) => document.getElementById(id);
const DM = "@";
let data = null;
let room = "support";
let me = "alex";
let openRaw = () => {};
let refresh = async () => {};
const unread = new Map();

export function startChat({ onRaw, onSent }) {
  openRaw = onRaw;
  refresh = onSent;
  $("composer").addEventListener("submit", submit);
  $("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("composer").requestSubmit();
    }
  });
  $("question").addEventListener("input", grow);
  $("command").addEventListener("input", drawCommand);
  $("user").addEventListener("change", (event) => { me = event.target.value; draw(); });
}

export async function showTimeline(next) {
  const before = data;
  data = next;
  await loadCommands(room !== DM).catch(() => {});
  drawCommand();
  $("send").disabled = false; // before, nothing could be sent to anywhere
  if (before) countUnread(before, next);
  draw();
}

export function redrawChat() {
  shownCommand = null;
  if (data) { draw(); drawCommand(); }
}

// The composer for the command that is typed; rebuilt only when that is another one.
let shownCommand = null;
function drawCommand() {
  const label = $("command").value.trim().replace(/^\//, "");
  const known = typed();
  $("commands").replaceChildren(...known.map((one) => el("option", { value: one.label }, one.description)));
  const definition = definitionOf(label);
  const stamp = JSON.stringify([label, definition, me, room]);
  if (stamp === shownCommand) return;
  shownCommand = stamp;
  drawOptions($("options"), definition, data.users, (options, focused) =>
    suggestions({ ...whoAndWhere(), type: "autocomplete", command: definition.path[0], options, focused }));
  const main = mainOption(definition);
  $("question").required = Boolean(main) && (definition === null || Boolean(main.required));
  $("question").closest("label").hidden = !main;
  if (main) $("question").closest("label").querySelector("span").textContent = main.name === "question" ? t("question") : main.name;
}

function whoAndWhere() {
  const user = data.users.find((known) => known.username === me);
  const body = { user: user.name, guild: room === DM ? null : data.guild, locale: user.locale };
  return room === DM ? body : { ...body, channel: room };
}

// Sends an interaction; a form that comes back is opened, and what is written in it is sent.
async function send(body, message_id = null) {
  const sending = request("POST", "/api/interactions", { ...whoAndWhere(), ...body, ...(message_id ? { message_id } : {}) });
  setTimeout(refresh, 40);
  try {
    const answered = await sending;
    const answer = answered.initial?.body;
    if (answer?.type === 9) {
      openForm(answer.data, (options) => send({ type: "modal", command: answer.data.custom_id, custom_id: answer.data.custom_id, options }, message_id));
    }
  } catch (error) {
    toast(error.message);
  }
  await refresh();
  toBottom();
}

// What can be done with a message or its writer, as Discord's "Apps" menu.
function apps(message, person_) {
  if (!message) return null;
  const button = (one, target) => el("button", { type: "button", "data-testid": `menu-${one.name}`, onclick: (event) => {
    event.target.closest("details").open = false;
    send({ command: one.name, command_type: one.type === 3 ? "message" : "user", target });
  } }, one.name);
  const buttons = [...menuCommands(3).map((one) => button(one, message.id)), ...(person_ ? menuCommands(2).map((one) => button(one, person_)) : [])];
  return buttons.length ? el("details", { class: "apps" }, el("summary", { "data-testid": "apps" }, t("apps")), el("div", {}, buttons)) : null;
}

function countUnread(before, next) {
  const known = new Set(before.items.map((item) => item.id));
  for (const item of next.items) {
    const place = placeOf(item);
    if (!known.has(item.id) && place !== room) unread.set(place, (unread.get(place) ?? 0) + 1);
  }
}

const placeOf = (item) => (item.guild === null ? DM + item.user : item.channel);
const here = () => (room === DM ? DM + me : room);
const person = (username) => data.users.find((user) => user.username === username)?.name ?? username;

function draw() {
  $("guild-name").textContent = data.guild;
  drawChannels();
  drawPeople();
  $("room-sigil").textContent = room === DM ? "@" : "#";
  $("room-name").textContent = room === DM ? "Posta" : room;
  $("room-topic").textContent = room === DM ? t("dmWith") : room === "ops" ? t("topicOps") : "";
  $("room-hint").textContent = t("hint");
  $("question").placeholder = currentLanguage() === "es" ? "¿Cómo exporto mis datos?" : "How do I export my data?";
  drawWebhooks($("webhooks"), room === DM ? [] : data.webhooks.filter((one) => one.channel === room), refresh);
  drawMessages();
}

function drawChannels() {
  const button = (name, sigil, shown, testid) =>
    el("li", {}, el("button", {
      type: "button", class: "channel", "data-testid": testid, "aria-current": room === name ? "page" : undefined,
      onclick: () => { room = name; unread.delete(here()); draw(); toBottom(); },
    }, el("span", { class: "sigil", "aria-hidden": "true" }, sigil), shown,
    unread.get(name === DM ? DM + me : name) && el("b", { class: "count" }, String(unread.get(name === DM ? DM + me : name)))));
  const stamp = (name) => [name, room === name, unread.get(name === DM ? DM + me : name) ?? 0].join();
  sync($("channels"), data.channels, { key: (n) => n, stamp, build: (n) => button(n, "#", n, `channel-${n}`) });
  sync($("dms"), [DM], { key: (n) => n, stamp, build: () => button(DM, "@", "Posta", "channel-dm") });
}

function drawPeople() {
  sync($("user"), data.users, {
    key: (user) => user.username,
    stamp: (user) => user.name,
    build: (user) => el("option", { value: user.username }, `${user.name} · ${user.locale}`),
  });
  $("user").value = me;
  const shown = avatar(person(me));
  shown.id = "me-avatar";
  $("me-avatar").replaceWith(shown);
}

function drawMessages() {
  const scroll = $("scroll");
  const follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
  const items = data.items.filter((item) => placeOf(item) === here());
  sync($("messages"), items, {
    key: (item) => item.id,
    stamp: (item) => JSON.stringify([item, me, currentLanguage()]),
    build: (item) => (item.kind === "post" ? post(item) : interaction(item)),
  });
  $("messages").dataset.empty = t("noMessages");
  if (follow) toBottom();
}

function toBottom() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function interaction(item) {
  const hidden = item.original?.ephemeral && item.user !== me;
  const who = person(item.user);
  const options = Object.entries(item.options).map(([name, value]) => [el("span", { class: "option-name" }, name), " ", String(value)]);
  return el("li", { class: `message ${item.original?.ephemeral ? "ephemeral" : ""}`, "data-testid": "message", "data-state": item.state, "data-id": item.id },
    el("p", { class: "spine" }, avatar(who, { small: true }), el("b", {}, who), ` ${t("used", { who: "" }).trim()} `,
      el("span", { class: "command-name" }, usedName(item)), " ", el("span", { class: "options" }, options)),
    botAvatar(),
    el("div", { class: "body" },
      byline("Posta", t("app"), item),
      hidden ? el("p", { class: "muted" }, t("notShown", { who })) : answer(item),
      hidden || item.original?.deleted ? null : componentRows(item.original ?? {}, (custom_id, values) => send({ type: "component", command: custom_id, custom_id, values }, item.original.id)),
      item.followups?.map((message) => el("div", { class: "followup" }, content(message))),
      hidden || !item.original?.content ? null : apps(item.original, person(item.user)),
      item.original?.ephemeral && !hidden && el("p", { class: "only-you" }, t("onlyYou")),
      measures(item)));
}

const usedName = (item) => ({ 3: `▸ ${item.custom_id}`, 5: `✎ ${item.custom_id}` })[item.type] ?? (item.command_type === 1 ? `/${item.command}` : item.command);

function answer(item) {
  if (item.state === "failed") return el("p", { class: "failed", title: item.reason }, t("noResponse"), item.reason && el("small", {}, item.reason));
  if (item.original?.deleted) return el("p", { class: "muted" }, t("deleted"));
  if (item.state === "pending") return dots(t("sending"));
  if (!item.original && item.initial?.body?.type === 9) return el("p", { class: "muted" }, t("formOpened", { title: item.initial.body.data.title }));
  if (!item.original || item.original.loading) return item.state === "thinking" ? dots(t("thinking")) : el("p", { class: "muted" }, JSON.stringify(item.initial?.body ?? ""));
  return content(item.original, item.edits.length > 1);
}

function measures(item) {
  const parts = [];
  if (item.initial?.ms !== undefined && item.initial?.ms !== null && item.initial.status === 200) parts.push(t("after", { ms: Math.round(item.initial.ms) }));
  if (item.edits?.length) parts.push(t("answeredIn", { s: (item.edits[0].at - item.at).toFixed(2) }));
  return parts.length ? el("p", { class: "measures" }, parts.join(" · ")) : null;
}

function post(item) {
  return el("li", { class: "message", "data-testid": "message", "data-state": item.deleted ? "deleted" : "answered", "data-id": item.id },
    avatar(item.author),
    el("div", { class: "body" },
      byline(item.author, item.webhook ? t("webhook") : t("app"), item),
      item.deleted ? el("p", { class: "muted" }, t("deleted")) : content(item, item.edited_at !== null),
      item.deleted ? null : componentRows(item, (custom_id, values) => send({ type: "component", command: custom_id, custom_id, values }, item.id)),
      item.deleted ? null : apps(item, null)));
}

function byline(name, badge, item) {
  return el("p", { class: "byline" }, el("b", {}, name), el("span", { class: "badge" }, badge),
    item.thread && el("span", { class: "thread", title: item.thread, "data-testid": "thread" }, t("inThread", { id: item.thread.slice(-4) })),
    el("time", { datetime: new Date(item.at * 1000).toISOString() }, time(item.at)),
    el("button", { type: "button", class: "raw", "data-testid": "raw-of-message", "aria-label": t("rawOf"), onclick: () => openRaw(item.id, String(item.options?.question ?? "")) }, t("raw")));
}

function content(message, edited = false) {
  const body = el("div", { class: "content", "data-testid": "content" });
  if (message.content) body.append(markdown(message.content));
  if (edited) body.append(el("small", { class: "muted" }, t("edited")));
  if (!(message.flags & 4)) body.append(...message.embeds.map(embed));
  body.append(...(message.files ?? []).map((name) => el("p", { class: "file", "data-testid": "file" }, name)));
  return body;
}

const dots = (label) => el("p", { class: "thinking" }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), label);

function grow() {
  const box = $("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
}

async function submit(event) {
  event.preventDefault();
  const text = $("question").value.trim();
  const label = $("command").value.trim().replace(/^\//, "");
  const definition = definitionOf(label);
  if (!label || !data || (!text && $("question").required)) return;
  const body = invocation(label, definition, text);
  $("question").value = "";
  clearOptions();
  grow();
  $("question").focus();
  await send(body);
}
