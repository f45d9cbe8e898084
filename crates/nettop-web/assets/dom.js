// The little that is needed of the document. Text is set as text, never as markup: names come from anybody.

export const byId = (id) => document.getElementById(id);

/** An element with a class, attributes and children; children that are text stay text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text, if it is another one: so nothing is drawn anew that has not changed. */
export function text(element, value) {
  const shown = value ?? "";
  if (element.textContent !== shown) element.textContent = shown;
}

/** Draws only where what it is drawn from has changed. */
export function whenChanged(draw) {
  let last;
  return (value) => {
    const now = JSON.stringify(value);
    if (now === last) return;
    last = now;
    draw(value);
  };
}

/** Which of some buttons is pressed. */
export function press(group, attribute, value) {
  for (const button of group.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset[attribute] === value));
  }
}

const UNITS = ["", "k", "M", "G", "T"];

/** A number in powers of 1000: three digits and a unit. */
export function scaled(value, unit) {
  let at = 0;
  let number = Math.max(0, value);
  while (number >= 999.5 && at < UNITS.length - 1) { number /= 1000; at += 1; }
  const digits = number >= 99.5 || number === 0 ? 0 : number >= 9.95 ? 1 : 2;
  return `${number.toFixed(at === 0 && number >= 1 ? 0 : digits)} ${UNITS[at]}${unit}`;
}

export const bits = (bytes) => scaled(bytes * 8, "bit/s");
export const packets = (rate) => scaled(rate, "pps");
