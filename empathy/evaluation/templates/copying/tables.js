// A table as LaTeX or CSV. A cell is its text and, below it, its interval.

const SIGNS = new Map([
  ['\\', '\\textbackslash{}'],
  ['~', '\\textasciitilde{}'],
  ['^', '\\textasciicircum{}'],
  ['−', '$-$'],
  ['–', '--'],
  ['—', '---'],
  ['×', '$\\times$'],
  ['α', '$\\alpha$'],
  ['ε', '$\\varepsilon$'],
  ['≥', '$\\geq$'],
  ['≤', '$\\leq$'],
  ['<', '$<$'],
  ['>', '$>$'],
  ['“', '``'],
  ['”', "''"],
  ['‘', '`'],
  ['’', "'"],
  ['\u00a0', '~'],
]);

/** Text that LaTeX prints as it is. */
export function escaped(text) {
  return text.replace(/[\\~^−–—×αε≥≤<>“”‘’\u00a0]|[&%$#_{}]/g, (sign) =>
    SIGNS.get(sign) ?? `\\${sign}`,
  );
}

/**
 * A table for LaTeX's booktabs; an interval stands behind its figure.
 *
 * header and rows hold cells {text, below, figures}; figures go to the right.
 */
export function latex({ caption, header, rows }) {
  const line = (cells, opened = ' ', closed = '') =>
    cells
      .map(({ text, below }) => text + (below && opened + below + closed))
      .map(escaped)
      .join(' & ') + ' \\\\';
  return [
    '% \\usepackage{booktabs}',
    '\\begin{table}',
    '  \\centering',
    `  \\caption{${escaped(caption)}}`,
    `  \\begin{tabular}{${header.map((it) => (it.figures ? 'r' : 'l')).join('')}}`,
    '    \\toprule',
    `    ${line(header, ' [', ']')}`,
    '    \\midrule',
    ...rows.map((row) => `    ${line(row)}`),
    '    \\bottomrule',
    '  \\end{tabular}',
    '\\end{table}',
    '',
  ].join('\n');
}

/**
 * The same as CSV; an interval has a column of its own, and numbers are bare.
 *
 * Spreadsheets take what begins with these signs for a formula, and run it; a
 * class may be called so.
 */
export function csv({ header, rows }) {
  const below = header.map((_, i) => [header, ...rows].some((row) => row[i]?.below));
  const line = (cells) =>
    cells
      .flatMap((cell, i) => (below[i] ? [cell.text, cell.below] : [cell.text]))
      .map(field)
      .join(',');
  return [header, ...rows].map((row) => `${line(row)}\r\n`).join('');
}

function field(text) {
  let plain = text.replaceAll('−', '-').replaceAll('\u00a0', ' ');
  if (/^[-+]?[\d,]+(\.\d+)?$/.test(plain)) {
    plain = plain.replaceAll(',', '').replace(/^\+/, '');
  } else if (/^[-+=@]/.test(plain)) {
    plain = `'${plain}`;
  }
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** What a <table> of the page holds. */
export function read(table, caption) {
  const cell = (it) => {
    const below = it.querySelector('small');
    const text = [...it.childNodes]
      .filter((node) => node !== below)
      .map((node) => node.textContent)
      .join('');
    return {
      text: text.replace(/[^\S\u00a0]+/g, ' ').trim(),
      below: below ? below.textContent.trim() : '',
      figures: ['number', 'interval', 'p'].some((kind) => it.classList.contains(kind)),
    };
  };
  const [header, ...rows] = [...table.rows].map((row) => [...row.cells].map(cell));
  return { caption: caption.replace(/\s+/g, ' ').trim(), header, rows };
}
