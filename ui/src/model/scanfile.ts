/** The file of a question: `-- key = value` lines of TOML, then one SELECT. */

export interface ScanFile {
  /** Key and value of each header line, the value as written in TOML. */
  readonly header: Readonly<Record<string, string>>;
  readonly sql: string;
}

const LINE = /^--\s*([a-z_]+)\s*=\s*(.+?)\s*$/;

/** Return header and SELECT of a file's text. */
export function readScan(text: string): ScanFile {
  const lines = text.split('\n');
  const header: Record<string, string> = {};
  let at = 0;
  for (; at < lines.length; at += 1) {
    const match = LINE.exec(lines[at] ?? '');
    if (match === null) break;
    header[match[1] ?? ''] = match[2] ?? '';
  }
  return { header, sql: lines.slice(at).join('\n').trim() };
}

/** Return the text of a file. */
export function writeScan({ header, sql }: ScanFile): string {
  const lines = Object.entries(header).map(([key, value]) => `-- ${key} = ${value}`);
  return `${[...lines, sql.trim()].join('\n')}\n`;
}

/** Return a text as a TOML string. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Return what a TOML string says; what is none is returned as it is. */
export function unquoted(value: string): string {
  try {
    const told: unknown = JSON.parse(value);
    return typeof told === 'string' ? told : value;
  } catch (error) {
    if (error instanceof SyntaxError) return value;
    throw error;
  }
}

/** One condition of the form. */
export interface Condition {
  readonly column: string;
  readonly op: string;
  readonly value: string;
}

export interface Form {
  readonly columns: readonly string[];
  readonly conditions: readonly Condition[];
  readonly order: string;
  readonly descending: boolean;
  readonly limit: string;
}

export const OPS = ['>=', '<=', '>', '<', '=', '<>', 'is true', 'is not true', 'is known', 'is unknown'] as const;

/** Return the SELECT that a form stands for; a half-filled condition is left out. */
export function sqlOf(form: Form, events: boolean): string {
  const columns = ['symbol', ...form.columns.filter((name) => name !== 'symbol')].join(', ');
  const conditions = form.conditions.map(conditionOf).filter((text) => text !== '');
  const where = conditions.length === 0 ? [] : [`WHERE ${conditions.join('\n  AND ')}`];
  const order = form.order === '' || events ? [] : [`ORDER BY ${form.order}${form.descending ? ' DESC' : ''}`];
  const limit = events ? [] : [`LIMIT ${Number.parseInt(form.limit, 10) || 50}`];
  return [`SELECT ${columns}`, 'FROM market', ...where, ...order, ...limit].join('\n');
}

function conditionOf({ column, op, value }: Condition): string {
  if (column === '') return '';
  if (op === 'is true') return column;
  if (op === 'is not true') return `NOT ${column}`;
  if (op === 'is known') return `${column} IS NOT NULL`;
  if (op === 'is unknown') return `${column} IS NULL`;
  return value.trim() === '' ? '' : `${column} ${op} ${literal(value.trim())}`;
}

function literal(value: string): string {
  if (/^-?[\d_]+(\.\d+)?$/.test(value)) return value;
  // A column of the table or an expression stays as it is; anything else is a word.
  if (/^[a-z_][a-z0-9_]*([\s*/+-].*)?$/.test(value)) return value;
  return `'${value.replaceAll("'", "''")}'`;
}

const SELECT =
  /^SELECT\s+([\w\s,]+?)\s+FROM\s+market(?:\s+WHERE\s+([\s\S]+?))?(?:\s+ORDER\s+BY\s+(\w+)(\s+DESC|\s+ASC)?)?(?:\s+LIMIT\s+(\d+))?\s*$/i;
const CONDITION = /^(\w+)\s*(>=|<=|<>|>|<|=)\s*(-?[\d_.]+|'(?:[^']|'')*'|\w+)$/;
/** An AND with an even number of quotes behind it: one that stands in no word. */
const AND = /\s+AND\s+(?=(?:[^']*'[^']*')*[^']*$)/i;

/** `x BETWEEN a AND b` in no word; NOT x BETWEEN and x NOT BETWEEN are no two conditions. */
const BETWEEN =
  /\b(?!NOT\b)(\w+)\s+BETWEEN\s+(-?[\d_.]+|'(?:[^']|'')*'|\w+)\s+AND\s+(-?[\d_.]+|'(?:[^']|'')*'|\w+)(?=(?:[^']*'[^']*')*[^']*$)/gi;

/** Return `sql` with the two comparisons that each BETWEEN stands for: a form has a line for each. */
function spelledOut(sql: string): string {
  return sql.replaceAll(BETWEEN, '$1 >= $2 AND $1 <= $3');
}

/** Return the form that stands for `sql`; null where it says what a form can't. */
export function formOf(sql: string): Form | null {
  const match = SELECT.exec(spelledOut(sql).trim());
  if (match === null) return null;
  const [, columns = '', where, order = '', direction = '', limit = '50'] = match;
  const conditions = (where ?? '').split(AND).filter((text) => text.trim() !== '');
  const read = conditions.map((text) => readCondition(text.trim()));
  if (read.some((condition) => condition === null)) return null;
  return {
    columns: columns.split(',').map((name) => name.trim()).filter((name) => name !== ''),
    conditions: read.filter((condition) => condition !== null),
    order,
    descending: /desc/i.test(direction),
    limit,
  };
}

function readCondition(text: string): Condition | null {
  const match = CONDITION.exec(text);
  if (match !== null) {
    const value = (match[3] ?? '').replace(/^'(.*)'$/, (_, word: string) => word.replaceAll("''", "'"));
    return { column: match[1] ?? '', op: match[2] ?? '', value };
  }
  const known = /^(\w+)\s+IS\s+(NOT\s+)?NULL$/i.exec(text);
  if (known !== null) return { column: known[1] ?? '', op: known[2] === undefined ? 'is unknown' : 'is known', value: '' };
  const flag = /^(NOT\s+)?(\w+)$/i.exec(text);
  if (flag === null) return null;
  return { column: flag[2] ?? '', op: flag[1] === undefined ? 'is true' : 'is not true', value: '' };
}

/** What the form could not say back is not shown in it: sqlOf(formOf(x)) means x. */
export function isFormable(sql: string, events: boolean): boolean {
  const form = formOf(sql);
  return form !== null && plain(sqlOf(form, events)) === plain(spelledOut(sql));
}

function plain(sql: string): string {
  return sql.replaceAll(/\s+/g, ' ').trim().toLowerCase();
}

/** The parts of a SELECT that the market table is asked with, to count and show rows now. */
export interface Preview {
  readonly columns: string;
  readonly where: string;
  readonly order: string;
  readonly limit: string;
}

/** Return the parts of `sql`; null where it is no SELECT of that form. */
export function previewOf(sql: string): Preview | null {
  const match =
    /^\s*SELECT\s+([\s\S]+?)\s+FROM\s+market\b(?:\s+WHERE\s+([\s\S]+?))?(?:\s+ORDER\s+BY\s+([\s\S]+?))?(?:\s+LIMIT\s+(\d+))?\s*;?\s*$/i.exec(sql);
  if (match === null) return null;
  const [, columns = '*', where = '', order = '', limit = ''] = match;
  return { columns, where, order, limit };
}
