// A plot as one SVG that stands alone: what the page lays out as words and
// small drawings, at the places where it is seen, in the colours that it has.

const XMLNS = 'http://www.w3.org/2000/svg';
// Words are as wide as their font, which may be another one elsewhere.
const MARGIN = 8;
const FONT = 'Helvetica, Arial, sans-serif';
const SHAPES = { line, circle, rect, polygon: points, polyline: points };

/** An element of SVG, as text; null and '' are left out. */
export function tag(name, attributes, text = '') {
  const listed = Object.entries(attributes)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => ` ${key}="${escapedXml(short(value))}"`)
    .join('');
  return text === ''
    ? `<${name}${listed}/>`
    : `<${name}${listed}>${escapedXml(text)}</${name}>`;
}

function short(value) {
  return typeof value === 'number' ? String(Math.round(100 * value) / 100) : value;
}

function escapedXml(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return String(text).replace(/[&<>"]/g, (sign) => names[sign]);
}

/** Words in lines: those that follow each other at one height are one text. */
export function lines(words) {
  const found = [];
  for (const word of words) {
    const last = found.at(-1);
    if (last && Math.abs(last.top - word.top) < 2) {
      last.text += ` ${word.text}`;
      last.right = word.right;
    } else {
      found.push({ ...word });
    }
  }
  return found;
}

/** A part of the page as a whole SVG file. */
export function svgOf(root) {
  const area = root.getBoundingClientRect();
  const paper = getComputedStyle(document.body).backgroundColor;
  const [width, height] = [area.width, area.height].map(
    (size) => Math.ceil(size) + 2 * MARGIN,
  );
  const drawn = [];
  walk(root, area, 1, drawn);
  return [
    `<svg xmlns="${XMLNS}" width="${width}" height="${height}" ` +
      `viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" font-family="${FONT}">`,
    tag('rect', { x: -MARGIN, y: -MARGIN, width, height, fill: paper }),
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function walk(element, area, opacity, drawn) {
  const style = getComputedStyle(element);
  if (style.display === 'none' || style.visibility === 'hidden') return;
  opacity *= Number(style.opacity);
  const own = element instanceof SVGElement;
  if (element.localName in SHAPES && own) {
    drawn.push(SHAPES[element.localName](element, style, area, opacity));
    return;
  }
  if (element.localName === 'text' && own) {
    drawn.push(svgText(element, style, area));
    return;
  }
  if (!own) box(element, style, area, opacity, drawn);
  for (const node of element.childNodes) {
    if (node.nodeType === Node.ELEMENT_NODE) walk(node, area, opacity, drawn);
    else if (node.nodeType === Node.TEXT_NODE && !own) {
      drawn.push(...htmlText(node, style, area));
    }
  }
}

function painted(style, opacity) {
  const dashes = style.strokeDasharray === 'none' ? '' : style.strokeDasharray;
  const stroked = style.stroke !== 'none';
  return {
    fill: style.fill,
    stroke: stroked ? style.stroke : '',
    'stroke-width': stroked ? style.strokeWidth.replace('px', '') : '',
    'stroke-linecap': style.strokeLinecap === 'butt' ? '' : style.strokeLinecap,
    'stroke-dasharray': stroked ? dashes.replaceAll('px', '') : '',
    opacity: opacity < 1 ? opacity : '',
  };
}

/** A point of a drawing as it lies in the area. */
function placed(element, x, y, area) {
  const { a, b, c, d, e, f } = element.getScreenCTM();
  return [a * x + c * y + e - area.left, b * x + d * y + f - area.top];
}

function values(element, ...names) {
  return names.map((name) => element[name].baseVal.value);
}

function line(element, style, area, opacity) {
  const [x1, y1, x2, y2] = values(element, 'x1', 'y1', 'x2', 'y2');
  const [left, top] = placed(element, x1, y1, area);
  const [right, foot] = placed(element, x2, y2, area);
  const ends = { x1: left, y1: top, x2: right, y2: foot };
  return tag('line', { ...ends, ...painted(style, opacity) });
}

function circle(element, style, area, opacity) {
  const [x, y, r] = values(element, 'cx', 'cy', 'r');
  const [cx, cy] = placed(element, x, y, area);
  return tag('circle', { cx, cy, r, ...painted(style, opacity) });
}

function rect(element, style, area, opacity) {
  const [x, y, width, height] = values(element, 'x', 'y', 'width', 'height');
  const [left, top] = placed(element, x, y, area);
  return tag('rect', { x: left, y: top, width, height, ...painted(style, opacity) });
}

function points(element, style, area, opacity) {
  const corners = [...element.points].map(({ x, y }) =>
    placed(element, x, y, area).map(short).join(),
  );
  const painting = painted(style, opacity);
  return tag(element.localName, { points: corners.join(' '), ...painting });
}

function box(element, style, area, opacity, drawn) {
  const fill = style.backgroundColor;
  const edge = style.outlineStyle === 'solid' ? style.outlineColor : '';
  if (/^rgba\(.*, 0\)$/.test(fill) && !edge) return;
  const it = element.getBoundingClientRect();
  const radius = style.borderTopLeftRadius;
  const share = parseFloat(radius) * (radius.endsWith('%') ? it.width / 100 : 1);
  drawn.push(
    tag('rect', {
      x: it.left - area.left,
      y: it.top - area.top,
      width: it.width,
      height: it.height,
      rx: Math.min(share, it.width / 2) || '',
      fill,
      stroke: edge,
      opacity: opacity < 1 ? opacity : '',
    }),
  );
}

function written(text, x, y, anchor, style, fill, transform = '') {
  const weight = Number(style.fontWeight) > 500 ? 'bold' : '';
  return tag(
    'text',
    {
      x,
      y,
      dy: '0.35em',
      fill,
      'text-anchor': anchor === 'start' ? '' : anchor,
      'font-size': parseFloat(style.fontSize),
      'font-weight': weight,
      transform,
    },
    text,
  );
}

/** Words that are read from their foot to their head. */
function upright(text, { left, right, top, bottom }, style, area) {
  const x = (left + right) / 2 - area.left;
  const y = (top + bottom) / 2 - area.top;
  const turned = `rotate(-90 ${short(x)} ${short(y)})`;
  return written(text, x, y, 'middle', style, style.color, turned);
}

function svgText(element, style, area) {
  const it = element.getBoundingClientRect();
  const x = { start: it.left, middle: (it.left + it.right) / 2, end: it.right };
  const middle = (it.top + it.bottom) / 2 - area.top;
  const anchor = style.textAnchor;
  return written(
    element.textContent, x[anchor] - area.left, middle, anchor, style, style.fill,
  );
}

function htmlText(node, style, area) {
  const range = document.createRange();
  if (style.writingMode.startsWith('vertical')) {
    range.selectNodeContents(node);
    const text = node.data.replace(/\s+/g, ' ').trim();
    return text ? [upright(text, range.getBoundingClientRect(), style, area)] : [];
  }
  const words = [...node.data.matchAll(/\S+/g)].map((found) => {
    range.setStart(node, found.index);
    range.setEnd(node, found.index + found[0].length);
    const { left, right, top, bottom } = range.getBoundingClientRect();
    return { text: found[0], left, right, top, bottom };
  });
  const shown = words.filter((word) => word.right > word.left);
  return lines(shown).map(({ text, left, right, top, bottom }) => {
    const middle = (top + bottom) / 2 - area.top;
    const [anchor, x] = {
      right: ['end', right],
      end: ['end', right],
      center: ['middle', (left + right) / 2],
    }[style.textAlign] ?? ['start', left];
    return written(text, x - area.left, middle, anchor, style, style.color);
  });
}
