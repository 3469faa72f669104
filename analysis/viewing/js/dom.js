// Elements, and words for numbers. Texts of data are only ever set as text.

const SVG = "http://www.w3.org/2000/svg";
let views = 0; // so that ids differ between the views of a page

/** An element; `text` is its text, `on…` are listeners, all else are attributes (false and null: none). */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}
function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}
function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A group of native radio buttons. `options` are [value, text, hint]; `act` hears what is chosen. */
function radios(name, legend, options, act) {
  const inputs = new Map();
  const labels = options.map(([value, text, hint]) => {
    const input = make("input", { type: "radio", name, value, onchange: () => act(value) });
    inputs.set(value, input);
    return make("label", { title: hint }, input, make("span", {}, text));
  });
  const node = make(
    "fieldset",
    {},
    make("legend", { text: legend }),
    make("div", { class: "options" }, ...labels),
  );
  const show = (chosen) => inputs.forEach((input, value) => (input.checked = value === chosen));
  return { node, inputs, show };
}

/** A list to choose from. `options` are [value, text]. */
function choice(id, label, options, act) {
  const box = make(
    "select",
    { id, onchange: () => act(box.value) },
    ...options.map(([value, text]) => make("option", { value, text })),
  );
  return {
    node: make("div", { class: "choice" }, make("label", { for: id, text: label }), box),
    box,
  };
}

const button = (text, act, attributes = {}) =>
  make("button", { type: "button", text, onclick: act, ...attributes });
const count = (number) => number.toLocaleString("en");
const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
const rankText = (rank) => (Number.isInteger(rank) ? String(rank) : rank.toFixed(1));
const short = (x, digits = 4) => plain(Number(x.toPrecision(digits)));
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
