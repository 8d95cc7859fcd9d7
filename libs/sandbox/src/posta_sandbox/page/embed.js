// An embed, drawn as Discord draws it: colour bar, author, title, text, fields, footer.

import { el } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { currentLanguage } from "./strings.js";

export function embed(data) {
  const card = el("article", { class: "embed" });
  if (data.color !== undefined) card.style.borderColor = `#${data.color.toString(16).padStart(6, "0")}`;
  if (data.author) card.append(el("p", { class: "embed-author" }, safeLink(data.author.url, data.author.name)));
  if (data.title) card.append(el("p", { class: "embed-title" }, safeLink(data.url, inline(data.title))));
  if (data.description) card.append(markdown(data.description));
  if (data.fields?.length) card.append(el("div", { class: "embed-fields" }, data.fields.map(fieldOf)));
  if (data.image) card.append(el("p", { class: "embed-image" }, data.image.url));
  const footer = [data.footer?.text, data.timestamp && moment(data.timestamp)].filter(Boolean);
  if (footer.length) card.append(el("p", { class: "embed-footer" }, footer.join(" • ")));
  return card;
}

const fieldOf = (field) =>
  el("div", { class: field.inline ? "embed-field inline" : "embed-field" }, el("p", { class: "embed-name" }, inline(field.name)), markdown(field.value));

function safeLink(url, children) {
  if (!/^https?:\/\//.test(url ?? "")) return children;
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}

function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.valueOf()) ? text : at.toLocaleString(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
}
