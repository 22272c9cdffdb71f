// Building elements. Text always goes in as text, never as markup.

/** An element with attributes (a function under `on<event>` listens) and children (elements or text). */
export function el(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

/** The same in SVG. */
export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function build(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets text only where it differs, so that nothing is selected away or announced twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** What the server put into the page. */
export function pageData() {
  return JSON.parse(document.getElementById("page-data").textContent);
}
