/** The user's alerts: rules, price levels, channels and receipts, as the gateway keeps them. */

import { changeDocument, documentsOf, type Doc } from '../link/documents';
import { ask, told } from '../link/rest';

export interface Rule {
  readonly scans?: readonly string[];
  readonly symbols?: readonly string[];
  readonly watchlist?: string;
  readonly phases?: readonly string[];
  readonly channels?: readonly string[];
  readonly new_only?: boolean;
  readonly cooldown_s?: number;
  readonly per_hour?: number;
  readonly sound?: string;
  readonly speak?: boolean;
  readonly enabled?: boolean;
  readonly snoozed_until_ns?: number;
}

export interface Level {
  readonly symbol: string;
  readonly price: number;
  readonly side: string;
  readonly channels?: readonly string[];
  readonly note?: string;
  readonly sound?: string;
  readonly expires_ns?: number;
  readonly reached_ns?: number;
}

export interface Channel {
  readonly name: string;
  readonly kind: string;
  readonly own: boolean;
  readonly settings: Readonly<Record<string, string>>;
}

export interface Delivery {
  readonly id: string;
  readonly channel: string;
  readonly state: string;
  readonly attempts: number;
  readonly answer: string;
  readonly alert: { readonly ts_ns: number; readonly kind: string; readonly text: string; readonly symbol: string; readonly rule: string };
}

/** What each kind of a user's own channels asks for. */
export const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  webhook: ['url', 'secret'],
  telegram: ['token', 'chat_id'],
  discord: ['url'],
  slack: ['url'],
};

const ANY = { 'if-match': '*' };

export class Alerting {
  rules = $state.raw<readonly Doc<Rule>[]>([]);
  levels = $state.raw<readonly Doc<Level>[]>([]);
  channels = $state.raw<readonly Channel[]>([]);
  deliveries = $state.raw<readonly Delivery[]>([]);
  said = $state('');
  failed = $state(false);

  /** Read all of it. */
  async load(): Promise<void> {
    await this.#attempt(async () => {
      const [rules, levels, channels] = await Promise.all([
        documentsOf<Rule>('alerts'),
        documentsOf<Level>('levels'),
        ask<readonly Channel[]>('/api/channels'),
      ]);
      this.rules = rules;
      this.levels = levels;
      this.channels = channels;
    });
    await this.receipts();
  }

  /** Say why nothing was done. */
  refuse(reason: string): void {
    this.said = reason;
    this.failed = true;
  }

  async receipts(): Promise<void> {
    try {
      this.deliveries = await ask<readonly Delivery[]>('/api/deliveries', { limit: 50 });
      // A level that was told of has been reached: it is read again until it says so.
      const reached = new Set(this.deliveries.filter(({ alert }) => alert.kind === 'level').map(({ alert }) => alert.rule));
      if (this.levels.some(({ name, body }) => !body.reached_ns && reached.has(name))) {
        this.levels = await documentsOf<Level>('levels');
      }
    } catch (error) {
      this.refuse(told(error));
    }
  }

  /** Write what `change` makes of the rule as it is kept; what it does not name stays. */
  async changeRule(name: string, change: (rule: Rule) => Rule): Promise<void> {
    const known = this.rules.find((each) => each.name === name);
    await this.#write(() => changeDocument<Rule>('alerts', name, (rule) => change(rule ?? {}), known));
  }

  async writeLevel(level: Level): Promise<void> {
    const name = `${level.symbol} ${level.side} ${level.price}`.replaceAll('/', '-');
    await this.#write(() => changeDocument<Level>('levels', name, () => ({ ...level, sound: 'level' }), null));
  }

  async writeChannel(name: string, kind: string, settings: object): Promise<void> {
    const wish = { method: 'PUT', body: { kind, settings }, headers: ANY };
    await this.#write(() => ask(`/api/channels/${encodeURIComponent(name)}`, {}, wish));
  }

  async remove(kind: 'alerts' | 'levels' | 'channels', name: string): Promise<void> {
    await this.#attempt(async () => {
      await ask(`/api/${kind}/${encodeURIComponent(name)}`, {}, { method: 'DELETE', headers: ANY });
    });
    if (!this.failed) await this.load();
  }

  async snooze(name: string, minutes: number): Promise<void> {
    await this.#attempt(async () => {
      const wish = { method: 'POST', body: { minutes } };
      await ask(`/api/alerts/${encodeURIComponent(name)}/snooze`, {}, wish);
    });
    if (!this.failed) await this.load();
  }

  /** Send a test alert, and show the channel's own answer. */
  async test(name: string): Promise<void> {
    await this.#attempt(async () => {
      const path = `/api/channels/${encodeURIComponent(name)}/test`;
      const tested = await ask<{ ok: boolean; answer: string }>(path, {}, { method: 'POST', limitMs: 30_000 });
      this.said = `${name}: ${tested.answer || (tested.ok ? 'sent' : 'no answer')}`;
      this.failed = !tested.ok;
    });
  }

  async #write(write: () => Promise<{ readonly warnings?: readonly string[] }>): Promise<void> {
    await this.#attempt(async () => {
      this.said = ((await write()).warnings ?? []).join(' ');
    });
    if (!this.failed) await this.load();
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
