/** The text editor of scans: completion, marks under what is wrong. */

import { autocompletion, completionKeymap, type Completion, type CompletionContext } from '@codemirror/autocomplete';
import { history, historyKeymap, standardKeymap } from '@codemirror/commands';
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, keymap, lineNumbers, tooltips } from '@codemirror/view';
import { tags } from '@lezer/highlight';

import { COLUMNS } from '../model/columns';
import language from '../model/language.json';

/** Something wrong in the text; line and column count from 1, null is the whole text. */
export interface Fault {
  readonly message: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly mild: boolean;
}

const KEYWORDS =
  'SELECT FROM market WHERE AND OR NOT BETWEEN IN LIKE IS NULL TRUE FALSE CASE WHEN THEN ELSE END AS ORDER BY ASC DESC LIMIT'.split(' ');
const KEYWORD = new Set(KEYWORDS.map((word) => word.toLowerCase()));
const FUNCTIONS = new Set([
  ...language.functions.map(([usage = '']) => nameOf(usage)),
  ...language.indicators.map(([name = '']) => name),
]);

function nameOf(usage: string): string {
  return usage.split('(', 1)[0] ?? usage;
}

const sql = StreamLanguage.define<null>({
  name: 'tapelight',
  startState: () => null,
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/--.*/)) return 'comment';
    if (stream.match(/'(?:[^']|'')*'?/)) return 'string';
    if (stream.match(/\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?/i)) return 'number';
    if (stream.match(/[<>=!+*/%-]+/)) return 'operator';
    const word = stream.match(/[a-z_]\w*/i) as RegExpMatchArray | null;
    if (word === null) {
      stream.next();
      return null;
    }
    const name = word[0].toLowerCase();
    if (KEYWORD.has(name)) return 'keyword';
    if (COLUMNS.has(name)) return 'propertyName';
    return FUNCTIONS.has(name) ? 'variableName.function' : 'variableName';
  },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent-text)', fontWeight: '600' },
  { tag: tags.comment, color: 'var(--dim)' },
  { tag: tags.string, color: 'var(--amber)' },
  { tag: tags.number, color: 'var(--cyan)' },
  { tag: tags.propertyName, color: 'var(--text)' },
  { tag: tags.function(tags.variableName), color: 'var(--violet)' },
  { tag: tags.variableName, color: 'var(--soft)' },
]);

const THEME = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--bg)', color: 'var(--text)', fontSize: '12.5px' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)' },
  '.cm-scroller': { overflow: 'auto', lineHeight: '1.5' },
  '.cm-gutters': { backgroundColor: 'var(--head)', color: 'var(--dim)', border: 'none' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused': { outline: '1px solid var(--accent)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': { backgroundColor: 'var(--cursor)' },
  '.cm-tooltip': { backgroundColor: 'var(--head)', color: 'var(--text)', border: '1px solid var(--line-strong)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--cursor)', color: 'var(--text)' },
  '.cm-completionInfo': { maxWidth: '320px', whiteSpace: 'pre-line' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)' },
});

const WORDS: readonly Completion[] = [
  ...[...COLUMNS.values()].map((column) => ({
    label: column.name,
    type: 'property',
    detail: column.unit,
    info: column.doc,
    boost: 2,
  })),
  ...language.functions.map(([usage = '', group = '', doc = '']) => ({
    label: nameOf(usage),
    apply: `${nameOf(usage)}(`,
    type: 'function',
    detail: group,
    info: `${usage}\n${doc}`,
  })),
  ...language.indicators.map(([name = '', parameters = '', doc = '']) => ({
    label: name,
    apply: `${name}(`,
    type: 'function',
    detail: 'indicator',
    info: `${doc}\n${name}(${parameters}, '1m')`,
    boost: -1,
  })),
  ...KEYWORDS.map((label) => ({ label, type: 'keyword', boost: 1 })),
];

function complete(context: CompletionContext): { from: number; options: readonly Completion[]; validFor: RegExp } | null {
  const word = context.matchBefore(/[a-z_]\w*/i);
  if (word === null && !context.explicit) return null;
  return { from: word?.from ?? context.pos, options: WORDS, validFor: /^\w*$/ };
}

export class SqlEditor {
  #view: EditorView;

  constructor(host: HTMLElement, text: string, onchange: (text: string) => void) {
    this.#view = new EditorView({
      parent: host,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          // Fixed: a list of completions may be longer than the panel.
          tooltips({ position: 'fixed', parent: document.body }),
          sql,
          syntaxHighlighting(COLOURS),
          autocompletion({ override: [complete], icons: false }),
          keymap.of([...completionKeymap, ...historyKeymap, ...standardKeymap]),
          THEME,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'Text of the scan' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) onchange(update.state.doc.toString());
          }),
        ],
      }),
    });
  }

  /** Show another text. */
  write(text: string): void {
    const { doc } = this.#view.state;
    if (doc.toString() === text) return;
    this.#view.dispatch({ changes: { from: 0, to: doc.length, insert: text } });
  }

  /** Mark what is wrong. */
  mark(faults: readonly Fault[]): void {
    const shown = faults.map((fault) => this.#diagnostic(fault));
    this.#view.dispatch(setDiagnostics(this.#view.state, shown));
  }

  #diagnostic({ message, line, column, mild }: Fault): Diagnostic {
    const { doc } = this.#view.state;
    const severity = mild ? 'warning' : 'error';
    if (line === null || line < 1 || line > doc.lines) {
      return { from: 0, to: Math.min(doc.length, doc.line(1).to), severity, message };
    }
    const found = doc.line(line);
    const at = Math.min(found.to, found.from + Math.max(0, (column ?? 1) - 1));
    const word = /^\w+/.exec(doc.sliceString(at, found.to))?.[0].length ?? 1;
    const from = Math.max(found.from, at === found.to ? at - 1 : at);
    return { from, to: Math.min(found.to, Math.max(from + 1, at + word)), severity, message };
  }

  remove(): void {
    this.#view.destroy();
  }
}
