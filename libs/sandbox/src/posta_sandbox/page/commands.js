// The registered commands: what can be typed, what it asks for, and what is suggested while typing.

import { el, labelled } from "./dom.js";
import { get, request } from "./http.js";
import { currentLanguage, t } from "./strings.js";
import { suggesting } from "./suggest.js";

const STRING = 3, INTEGER = 4, BOOLEAN = 5, USER = 6, NUMBER = 10;
const SUBCOMMANDS = [1, 2];
let registered = [];
let fields = new Map();

export async function loadCommands(inGuild) {
  registered = await get(`/api/commands?in_guild=${inGuild}`);
}

export const menuCommands = (type) => registered.filter((one) => one.type === type);

const local = (texts, fallback) => (currentLanguage() === "es" ? texts?.["es-ES"] : null) ?? fallback;

// Every command that can be typed, a sub-command behind its command: "ops note".
export function typed() {
  const found = [];
  const walk = (one, path) => {
    const inner = (one.options ?? []).filter((option) => SUBCOMMANDS.includes(option.type));
    if (inner.length) inner.forEach((sub) => walk(sub, [...path, sub.name]));
    else found.push({ label: path.join(" "), path, options: one.options ?? [], description: local(one.description_localizations, one.description) });
  };
  registered.filter((one) => one.type === 1).forEach((one) => walk(one, [one.name]));
  return found;
}

export const definitionOf = (label) => typed().find((one) => one.label === label) ?? null;

// The option that the big field is for: the question, or the first text that is not suggested.
export function mainOption(definition) {
  if (!definition) return { name: "question" };
  const texts = definition.options.filter((option) => option.type === STRING && !option.autocomplete && !option.choices);
  return texts.find((option) => option.name === "question") ?? texts[0] ?? null;
}

// Fields for all other options; `ask` sends an autocomplete interaction and gives its choices.
export function drawOptions(container, definition, users, ask) {
  fields = new Map();
  const main = mainOption(definition);
  const others = (definition?.options ?? []).filter((option) => option.name !== main?.name);
  container.replaceChildren(...others.map((option) => {
    const control = controlOf(option, users, definition, ask);
    const name = local(option.name_localizations, option.name);
    const label = `${name}${option.required ? " *" : ""}`;
    return labelled(label, control, { title: local(option.description_localizations, option.description) });
  }));
  container.hidden = !others.length;
}

function controlOf(option, users, definition, ask) {
  const testid = `option-${option.name}`;
  const shared = { "data-testid": testid, required: option.required };
  const none = option.required ? [] : [el("option", { value: "" }, "–")];
  let control;
  if (option.type === BOOLEAN) {
    control = el("input", { type: "checkbox", "data-testid": testid });
  } else if (option.type === USER) {
    control = el("select", shared, none, users.map((user) => el("option", { value: user.username }, user.name)));
  } else if (option.choices?.length) {
    control = el("select", shared, none, option.choices.map((choice) => el("option", { value: JSON.stringify(choice.value) }, local(choice.name_localizations, choice.name))));
  } else {
    control = el("input", { type: option.type === STRING ? "text" : "number", step: option.type === NUMBER ? "any" : undefined, ...shared });
  }
  const field = { option, control, suggested: new Map() };
  fields.set(option.name, field);
  if (!option.autocomplete) return control;
  return suggesting(control, option.name, {
    ask: (text) => ask(nested(definition, { ...collected(), [option.name]: text }), option.name),
    offered: (choices) => { field.suggested = choices; },
  });
}

function collected() {
  const found = {};
  for (const [name, { option, control, suggested }] of fields) {
    if (option.type === BOOLEAN) { if (control.checked) found[name] = true; continue; }
    if (control.value === "") continue;
    if (option.choices?.length) found[name] = JSON.parse(control.value);
    else if (option.type === INTEGER) found[name] = Math.round(Number(control.value));
    else if (option.type === NUMBER) found[name] = Number(control.value);
    else found[name] = suggested.get(control.value) ?? control.value;
  }
  return found;
}

const nested = (definition, options) => (definition?.path ?? []).slice(1).reduceRight((inner, name) => ({ [name]: inner }), options);

// What goes out: the command's name, and its options below its sub-command.
export function invocation(label, definition, text) {
  const main = mainOption(definition);
  const options = { ...(main && text ? { [main.name]: text } : {}), ...collected() };
  return { command: definition?.path[0] ?? label, options: nested(definition, options) };
}

export function clearOptions() {
  for (const { control } of fields.values()) {
    if (control.type === "checkbox") control.checked = false;
    else if (control.tagName === "INPUT") control.value = "";
  }
}

// A form that ingress asked to open; sends what was written, by the inputs' ids.
export function openForm(form, send) {
  const inputs = [];
  const rows = (form.components ?? []).map((row) => {
    const input = row.component ?? row.components?.[0];
    if (!input) return null;
    const attributes = { required: input.required !== false, maxlength: input.max_length, placeholder: input.placeholder, "data-testid": `form-${input.custom_id}` };
    const control = input.style === 2 ? el("textarea", { rows: 4, ...attributes }) : el("input", { type: "text", ...attributes });
    control.value = input.value ?? "";
    inputs.push([input.custom_id, control]);
    return labelled(row.label ?? input.label ?? input.custom_id, control);
  });
  const dialog = el("dialog", { class: "form", "data-testid": "form", "aria-label": form.title },
    el("form", { method: "dialog" }, el("h2", {}, form.title), rows,
      el("p", { class: "form-actions" },
        el("button", { type: "button", class: "ghost", onclick: () => dialog.close() }, t("cancel")),
        el("button", { type: "submit", class: "primary", "data-testid": "form-send" }, t("send")))));
  dialog.querySelector("form").addEventListener("submit", () => {
    send(Object.fromEntries(inputs.map(([name, control]) => [name, control.value])));
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// The buttons and menus below a message.
export function componentRows(message, press) {
  return (message.components ?? []).map((row) => el("div", { class: "row", "data-testid": "row" }, (row.components ?? []).map((one) => component(one, press))));
}

function component(one, press) {
  if (one.type === 2 && one.url) return el("a", { class: "component link", href: one.url, rel: "noopener noreferrer", target: "_blank" }, one.label);
  if (one.type === 2) return el("button", { type: "button", class: `component style-${one.style}`, "data-testid": `press-${one.custom_id}`, disabled: one.disabled, onclick: () => press(one.custom_id, []) }, one.label);
  if (one.type === 3) {
    const select = el("select", { class: "component", "data-testid": `choose-${one.custom_id}`, "aria-label": one.placeholder ?? one.custom_id },
      el("option", { value: "" }, one.placeholder ?? "…"), one.options.map((option) => el("option", { value: option.value }, option.label)));
    select.addEventListener("change", () => { if (select.value) press(one.custom_id, [select.value]); select.value = ""; });
    return select;
  }
  return null;
}

export async function suggestions(body) {
  const answered = await request("POST", "/api/interactions", body);
  return answered.initial?.body?.data?.choices ?? [];
}
