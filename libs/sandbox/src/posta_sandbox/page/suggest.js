// Suggestions below a field while typing: a combobox with a list of its own, by pointer or keyboard.

import { el } from "./dom.js";

// `ask` gives the choices for what is typed; `chosen` is told the names and values that were offered last.
export function suggesting(control, name, { ask, offered }) {
  const id = `suggestions-${name}`;
  const list = el("ul", { id, class: "suggestions", role: "listbox", "data-testid": id, "aria-label": name });
  list.hidden = true;
  let at = -1;
  Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false", autocomplete: "off" })
    .forEach(([attribute, value]) => control.setAttribute(attribute, value));

  const open = (is) => {
    list.hidden = !is || !list.children.length;
    control.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
  };
  const mark = (next) => {
    at = next;
    [...list.children].forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
    if (at >= 0) control.setAttribute("aria-activedescendant", list.children[at].id);
    else control.removeAttribute("aria-activedescendant");
  };
  const choose = (choice) => { control.value = choice; open(false); control.focus(); };
  const suggest = async () => {
    const typedNow = control.value;
    const choices = await ask(typedNow);
    if (control.value !== typedNow || document.activeElement !== control) return;
    offered(new Map(choices.map((choice) => [choice.name, choice.value])));
    list.replaceChildren(...choices.map((choice, index) =>
      el("li", { id: `${id}-${index}`, role: "option", "data-value": choice.name, "aria-selected": "false",
        // Before the field loses the focus, and the list with it.
        onpointerdown: (event) => { event.preventDefault(); choose(choice.name); } }, choice.name)));
    open(!(choices.length === 1 && choices[0].name === typedNow));
  };
  control.addEventListener("input", suggest);
  control.addEventListener("focus", suggest);
  control.addEventListener("blur", () => open(false));
  control.addEventListener("keydown", (event) => {
    const count = list.children.length;
    if (list.hidden || !count) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) mark((at + step + count) % count);
    else if (event.key === "Enter" && at >= 0) choose(list.children[at].dataset.value);
    else if (event.key === "Escape") open(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return el("span", { class: "suggesting" }, control, list);
}
