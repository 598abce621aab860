// Tables as LaTeX and CSV, and the texts of drawings, written by hand.
// test_pages.py puts this file beside the modules and runs it with node.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lines, tag } from './drawing.js';
import { csv, escaped, latex } from './tables.js';

const cell = (text, below = '', figures = true) => ({ text, below, figures });
const TABLE = {
  caption: 'What 5 % gain_ed.',
  header: [cell('view', '', false), cell('accuracy, %', '95 % interval'), cell('p')],
  rows: [
    [cell('text & "so"', '', false), cell('−1,234.5', '[−2.0, 1.8]'), cell('< .001')],
    [cell('audio', '', false), cell('+3.0'), cell('–')],
  ],
};

test('LaTeX prints every sign', () => {
  assert.equal(
    escaped('a_b & 5 % of $1 #2 {x} ~ ^ \\ − – “it’s” <ε>'),
    'a\\_b \\& 5 \\% of \\$1 \\#2 \\{x\\} \\textasciitilde{} \\textasciicircum{} ' +
      "\\textbackslash{} $-$ -- ``it's'' $<$$\\varepsilon$$>$",
  );
});

test('LaTeX has a line for each row, figures to the right', () => {
  assert.equal(
    latex(TABLE),
    `% \\usepackage{booktabs}
\\begin{table}
  \\centering
  \\caption{What 5 \\% gain\\_ed.}
  \\begin{tabular}{lrr}
    \\toprule
    view & accuracy, \\% [95 \\% interval] & p \\\\
    \\midrule
    text \\& "so" & $-$1,234.5 [$-$2.0, 1.8] & $<$ .001 \\\\
    audio & +3.0 & -- \\\\
    \\bottomrule
  \\end{tabular}
\\end{table}
`,
  );
});

test('CSV has bare numbers, and a column for intervals', () => {
  assert.equal(
    csv(TABLE),
    'view,"accuracy, %",95 % interval,p\r\n' +
      '"text & ""so""",-1234.5,"[-2.0, 1.8]",< .001\r\n' +
      'audio,3.0,,–\r\n',
  );
});

test('CSV runs no names as formulas', () => {
  const names = ['=1+1', '@sum(A1)', '+a', '-', '−3', 'a=b'];
  const rows = names.map((name) => [cell(name, '', false)]);
  assert.equal(
    csv({ header: [cell('class')], rows }),
    "class\r\n'=1+1\r\n'@sum(A1)\r\n'+a\r\n'-\r\n-3\r\na=b\r\n",
  );
});

test('SVG is escaped and short', () => {
  assert.equal(
    tag('text', { x: 1.23456, y: 0, fill: '', dy: null, id: '"' }, 'a < b & c'),
    '<text x="1.23" y="0" id="&quot;">a &lt; b &amp; c</text>',
  );
  assert.equal(tag('line', { x1: 1 / 3 }), '<line x1="0.33"/>');
});

test('words at one height are one text', () => {
  const word = (text, left, top) => ({ text, left, top, right: left + 5, bottom: top });
  assert.deepEqual(lines([word('a', 0, 0), word('b', 9, 1), word('c', 0, 20)]), [
    { text: 'a b', left: 0, top: 0, right: 14, bottom: 0 },
    { text: 'c', left: 0, top: 20, right: 5, bottom: 20 },
  ]);
});
