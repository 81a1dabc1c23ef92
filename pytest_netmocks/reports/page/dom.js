// Elements, texts and numbers. What came over a network gets into the page as text, and by these functions alone.

// What would not be seen, or would turn the text around it: C0, C1, and the marks of direction.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function visible(value) {
  return String(value).replace(UNSEEN, (sign) => {
    const code = sign.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** An element; children are elements or texts, a `style` an object, `on...` functions. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(3)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

function fill(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

const one = (id) => document.getElementById(id);

/** Seconds as a person says them. */
function seconds(value) {
  const size = Math.abs(value);
  if (size < 0.0000005) return "0 s";
  if (size < 0.001) return `${Math.round(value * 1e6)} \u00b5s`;
  if (size < 0.01) return `${(value * 1e3).toFixed(2)} ms`;
  if (size < 1) return `${(value * 1e3).toFixed(size < 0.1 ? 1 : 0)} ms`;
  if (size < 120) return `${value.toFixed(size < 10 ? 2 : 1)} s`;
  const whole = Math.round(value);
  if (size < 7200) return `${Math.trunc(whole / 60)} min ${whole % 60} s`;
  return `${Math.trunc(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

const number = (value) => value.toLocaleString("en");
const octets = (value) => `${number(value)} B`;
const counted = (value, name, names = `${name}s`) => `${number(value)} ${value === 1 ? name : names}`;
const SIDES = { upstream: "client \u2192 server", downstream: "server \u2192 client" };
