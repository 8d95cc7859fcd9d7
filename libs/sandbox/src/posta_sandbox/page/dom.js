// Builds elements from data; text only ever becomes text nodes, so nothing hostile can run.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Make a container's children match items, rebuilding only those whose stamp has changed.
export function sync(container, items, { key, stamp, build }) {
  const present = new Map([...container.children].map((node) => [node.dataset.key, node]));
  let previous = null;
  for (const item of items) {
    const id = String(key(item));
    const mark = stamp(item);
    let node = present.get(id);
    present.delete(id);
    if (!node || node.dataset.stamp !== mark) {
      const fresh = build(item);
      fresh.dataset.key = id;
      fresh.dataset.stamp = mark;
      if (node) replace(node, fresh);
      node = fresh;
    }
    const place = previous ? previous.nextSibling : container.firstChild;
    if (node !== place) container.insertBefore(node, place);
    previous = node;
  }
  for (const node of present.values()) node.remove();
}

function replace(old, fresh) {
  const wasOpen = old.querySelector(":scope > details[open]");
  if (wasOpen) fresh.querySelector(":scope > details")?.setAttribute("open", "");
  old.replaceWith(fresh);
}

const KNOWN_HUES = { ingress: 28, "llm-worker": 275, notifier: 225, "email-poller": 165, "dlq-admin": 330, sandbox: 90 };

export function colourOf(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 131 + char.codePointAt(0)) % 997;
  return `hsl(${KNOWN_HUES[name] ?? (hash * 137) % 360} 55% 46%)`;
}

export function avatar(name, { small = false } = {}) {
  const node = el("span", { class: small ? "avatar small" : "avatar", "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
  node.style.background = colourOf(name);
  return node;
}

export function botAvatar({ small = false } = {}) {
  const node = el("span", { class: small ? "avatar bot small" : "avatar bot", "aria-hidden": "true" });
  return node;
}

let field = 0;
export function labelled(text, control, attributes = {}) {
  control.id ||= `field-${++field}`;
  return el("div", { class: "field", ...attributes }, el("label", { for: control.id }, text), control);
}

let hiding = 0;
export function toast(text) {
  const node = document.getElementById("toast");
  node.textContent = text;
  node.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { node.hidden = true; }, 5000);
}
