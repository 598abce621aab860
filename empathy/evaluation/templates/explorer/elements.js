// Elements of the page. Texts go into it as text, never as HTML.

/** An element with properties, attributes and children; texts stay texts. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The mark of a view (dot) or of a condition (ring). */
export function dot(colour, shape = 'dot') {
  return make('i', { className: `c-${colour} ${shape}` });
}
