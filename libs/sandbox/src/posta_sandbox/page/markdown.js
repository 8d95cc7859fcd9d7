// The part of Discord's markdown that answers use, drawn as elements and text nodes only.

import { el } from "./dom.js";

const INLINE = [
  [/^``([^]+?)``(?!`)|^`([^`]+)`/, (m) => el("code", {}, m[1] ?? m[2])],
  [/^\*\*\*([^]+?)\*\*\*/, (m) => el("strong", {}, el("em", {}, inline(m[1])))],
  [/^\*\*([^]+?)\*\*(?!\*)/, (m) => el("strong", {}, inline(m[1]))],
  [/^__([^]+?)__(?!_)/, (m) => el("u", {}, inline(m[1]))],
  [/^~~([^]+?)~~/, (m) => el("s", {}, inline(m[1]))],
  [/^\|\|([^]+?)\|\|/, (m) => el("span", { class: "spoiler", tabindex: "0" }, inline(m[1]))],
  [/^\*(?=\S)([^*\n]+?)\*(?!\*)/, (m) => el("em", {}, inline(m[1]))],
  [/^_(?=\S)([^_\n]+?)_(?![_\w])/, (m) => el("em", {}, inline(m[1]))],
  [/^\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/, (m) => [link(m[2], m[1]), el("span", { class: "url-of" }, ` (${m[2]})`)]],
  [/^<(https?:\/\/[^\s>]+)>/, (m) => link(m[1], m[1])],
  [/^https?:\/\/[^\s<>"')\]]+[^\s<>"')\].,:;!?]/, (m) => link(m[0], m[0])],
  [/^<@!?(\d+)>/, (m) => el("span", { class: "mention" }, `@${m[1]}`)],
  [/^<#(\d+)>/, (m) => el("span", { class: "mention" }, `#${m[1]}`)],
  [/^@(everyone|here)\b/, (m) => el("span", { class: "mention" }, m[0])],
  [/^\\([*_~`|\\>#-])/, (m) => m[1]],
];

function link(href, text) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text);
}

export function inline(text) {
  const nodes = [];
  let plain = "";
  let rest = text;
  let before = "";
  while (rest) {
    const found = firstMatch(rest, before);
    if (found) {
      if (plain) nodes.push(plain);
      plain = "";
      nodes.push(found.node);
      before = rest[found.length - 1];
      rest = rest.slice(found.length);
    } else {
      const char = String.fromCodePoint(rest.codePointAt(0));
      plain += char;
      before = char;
      rest = rest.slice(char.length);
    }
  }
  if (plain) nodes.push(plain);
  return nodes.flat();
}

function firstMatch(rest, before) {
  if (!"`*_~|[<h@\\".includes(rest[0])) return null;
  if (rest[0] === "_" && /\w/.test(before)) return null;
  for (const [pattern, draw] of INLINE) {
    const match = pattern.exec(rest);
    if (match) return { node: draw(match), length: match[0].length };
  }
  return null;
}

export function markdown(text) {
  const root = el("div", { class: "markdown" });
  const blocks = text.split(/```(?:([\w+-]{1,20})\n)?([^]*?)```/);
  for (let i = 0; i < blocks.length; i += 3) {
    root.append(...lines(blocks[i]));
    if (i + 2 < blocks.length) root.append(el("pre", {}, el("code", {}, blocks[i + 2].replace(/^\n|\n$/g, ""))));
  }
  return root;
}

function lines(text) {
  const nodes = [];
  for (const line of text.replace(/^\n+|\n+$/g, "").split("\n")) {
    const heading = /^(#{1,3}) (.+)$/.exec(line);
    const quote = /^> (.*)$/.exec(line);
    const item = /^\s*[-*] (.+)$/.exec(line);
    if (heading) nodes.push(el("p", { class: `heading h${heading[1].length}` }, inline(heading[2])));
    else if (quote) nodes.push(el("blockquote", {}, inline(quote[1])));
    else if (item) nodes.push(el("p", { class: "item" }, inline(item[1])));
    else if (line || text.trim()) nodes.push(el("p", {}, line ? inline(line) : "\u200b"));
  }
  return text.trim() ? nodes : [];
}
