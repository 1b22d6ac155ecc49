/** A scan that is being written: its text, what the gateway says of it, saving it. */

import { ask, tagged, told } from '../link/rest';
import { formOf, isFormable, quoted, readScan, sqlOf, unquoted, writeScan, type Form } from '../model/scanfile';
import type { Fault } from '../parts/sqleditor';

const CHECK_MS = 350;

export interface ScanRow {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly text: string;
  readonly version: string;
  readonly own: boolean;
  readonly shipped: boolean;
  readonly running: boolean;
  readonly fault: string;
  readonly cost_us: number | null;
}

interface Told {
  readonly message: string;
  readonly line?: number | null;
  readonly column?: number | null;
}
interface Checked {
  readonly ok: boolean;
  readonly faults: readonly Told[];
  readonly warnings: readonly Told[];
  readonly cost_us: number | null;
}

/** What a text would have said on a recorded day. */
export interface Tried {
  readonly run: string;
  readonly kind: string;
  readonly hours: number;
  readonly fires: number;
  readonly per_hour: number | null;
  /** Against the saved text; null where nothing is saved. */
  readonly difference: {
    readonly added: number;
    readonly gone: number;
    readonly same: number;
    readonly changes: readonly { readonly change: string; readonly symbol: string; readonly ts_ns: number }[];
  } | null;
  readonly cases: readonly {
    readonly case: string;
    readonly ok: boolean;
    readonly expected: readonly string[];
    readonly got: readonly string[];
  }[];
}

/** A whole day is played: the gateway gives up after two minutes. */
const TRIAL_MS = 130_000;

const FRESH = `-- title = "My scan"
-- kind = "board"
SELECT symbol, last, chg_pct, rvol_tod, vol
FROM market
WHERE chg_pct >= 4
  AND rvol_tod >= 2
ORDER BY chg_pct DESC
LIMIT 50
`;

export class ScanEditor {
  scans = $state.raw<readonly ScanRow[]>([]);
  name = $state('');
  text = $state(FRESH);
  /** What is saved under the name; null for a new scan. */
  saved = $state.raw<ScanRow | null>(null);
  checked = $state.raw<Checked | null>(null);
  /** The last SELECT that the gateway found sound. */
  sound = $state(readScan(FRESH).sql);
  /** What went wrong with the last action, or what came of it. */
  said = $state('');
  failed = $state(false);
  /** What came of the last trial; null before one, and after a change of the text. */
  tried = $state.raw<Tried | null>(null);
  trying = $state(false);
  #etag = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  readonly file = $derived(readScan(this.text));
  readonly events = $derived(this.file.header['kind'] === '"events"');
  readonly changed = $derived(this.saved === null || this.saved.text !== this.text);
  readonly faults = $derived<readonly Fault[]>([
    ...(this.checked?.faults ?? []).map((each) => fault(each, false)),
    ...(this.checked?.warnings ?? []).map((each) => fault(each, true)),
  ]);
  /** What was filled in, with the SQL it gave: a condition half written is in no SQL. */
  #filled = $state.raw<{ readonly form: Form; readonly sql: string } | null>(null);
  readonly form = $derived(this.#filled?.sql === this.file.sql ? this.#filled.form : formOf(this.file.sql));
  readonly formable = $derived(this.#filled?.sql === this.file.sql || isFormable(this.file.sql, this.events));

  async refresh(): Promise<void> {
    await this.#attempt(async () => void (this.scans = await ask<readonly ScanRow[]>('/api/scans')));
  }

  /** Open the saved scan `name`. */
  async open(name: string): Promise<void> {
    await this.#attempt(async () => {
      const { body, etag } = await tagged<ScanRow>(`/api/scans/${encodeURIComponent(name)}`);
      this.#take(body, etag);
      this.said = body.fault;
      this.failed = body.fault !== '';
    });
  }

  fresh(): void {
    this.name = '';
    this.saved = null;
    this.#etag = '';
    this.said = '';
    this.write(FRESH);
  }

  /** Begin a new scan from the text of this one. */
  copy(): void {
    this.name = '';
    this.saved = null;
    this.#etag = '';
    this.said = 'A copy: give it a name and save it.';
    this.failed = false;
  }

  write(text: string): void {
    this.text = text;
    this.tried = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.check(), CHECK_MS);
  }

  /** Set a key of the header; an empty value takes it away. */
  head(key: string, value: string): void {
    const header = { ...this.file.header };
    if (value === '') delete header[key];
    else header[key] = value;
    this.write(writeScan({ header, sql: this.file.sql }));
  }

  word(key: string): string {
    return unquoted(this.file.header[key] ?? '');
  }

  say(key: string, value: string): void {
    this.head(key, value === '' ? '' : quoted(value));
  }

  fill(form: Form): void {
    const text = writeScan({ header: this.file.header, sql: sqlOf(form, this.events) });
    this.#filled = { form, sql: readScan(text).sql };
    this.write(text);
  }

  async check(): Promise<void> {
    const asked = (this.#asked += 1);
    const { text } = this;
    await this.#attempt(async () => {
      const body = { name: this.name || 'unnamed', text };
      const checked = await ask<Checked>('/api/scans/check', {}, { method: 'POST', body });
      if (asked !== this.#asked) return;
      this.checked = checked;
      if (checked.ok) this.sound = readScan(text).sql;
    });
  }

  /** Play the last recorded day with the text as it stands. */
  async tryOut(): Promise<void> {
    const { text } = this;
    const body = { name: this.saved?.name ?? (this.name.trim() || 'unnamed'), text };
    this.trying = true;
    this.tried = null;
    await this.#attempt(async () => {
      this.said = '';
      const tried = await ask<Tried>('/api/scans/try', {}, { method: 'POST', body, limitMs: TRIAL_MS });
      if (text === this.text) this.tried = tried;
      else this.said = 'The text has changed since it was tried: try it again.';
    });
    this.trying = false;
  }

  async save(): Promise<void> {
    const name = this.name.trim();
    if (!/^[a-z][a-z0-9_]{0,63}$/i.test(name)) {
      this.said = 'Give the scan a name: a letter, then letters, digits and _.';
      this.failed = true;
      return;
    }
    await this.#attempt(async () => {
      // What was said of an earlier try is over.
      this.said = 'Saving …';
      const headers: Record<string, string> = this.#etag === '' ? {} : { 'if-match': this.#etag };
      const wish = { method: 'PUT', body: { name, text: this.text }, headers };
      const { body, etag } = await tagged<ScanRow>(`/api/scans/${encodeURIComponent(name)}`, {}, wish);
      this.#take(body, etag);
      this.said = body.running ? 'Saved, and running.' : `Saved; it does not run yet. ${body.fault}`;
      await this.refresh();
    });
  }

  async remove(): Promise<void> {
    await this.#attempt(async () => {
      const wish = { method: 'DELETE', headers: { 'if-match': this.#etag || '*' } };
      await ask(`/api/scans/${encodeURIComponent(this.name)}`, {}, wish);
      this.said = 'Deleted; a shipped one of its name is back.';
      this.saved = null;
      this.#etag = '';
      await this.refresh();
    });
  }

  #take(row: ScanRow, etag: string): void {
    this.saved = row;
    this.name = row.name;
    this.#etag = etag;
    this.text = row.text;
    this.tried = null;
    void this.check();
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      this.failed = false;
      await act();
    } catch (error) {
      this.said = told(error);
      this.failed = true;
    }
  }
}

function fault({ message, line = null, column = null }: Told, mild: boolean): Fault {
  return { message, line, column, mild };
}
