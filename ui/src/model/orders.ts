/** Orders as the gateway tells them: prices and money are exact text. */

import type { Bar, TraderStatus } from '../wire';
import { startAt, type Mark } from './charting';

export interface Order {
  readonly id: string;
  readonly state: string;
  readonly purpose: string;
  readonly symbol: string;
  readonly side: string;
  readonly quantity: string;
  readonly kind: string;
  readonly limit: string | null;
  readonly stop: string | null;
  readonly filled: string;
  readonly average: string | null;
  readonly strategy: string;
  readonly cause: string;
  readonly rule: string;
  readonly reason: string;
  readonly signal_ns: number;
  readonly made_ns: number;
  readonly sent_ns: number;
  readonly ts_ns: number;
  readonly plan_stop: string | null;
  readonly plan_target: string | null;
}

/** An order that waits for a person until `until_ns`, market time. */
export interface Held extends Order {
  readonly until_ns: number;
}

/** An order in the list of approvals; `gone` where it waits no more, yet still holds its place. */
export interface Waiting {
  readonly order: Held;
  readonly gone: boolean;
}

/**
 * Return the held orders as they are listed: the oldest first, so that a new one moves none.
 *
 * While the pointer is over the list each order keeps its place, and one that is gone stays, greyed.
 */
export function waitingNow(shown: readonly Waiting[], fresh: readonly Held[], holding: boolean): readonly Waiting[] {
  const now = new Map(fresh.map((order) => [order.id, order]));
  const kept = holding ? shown.map(({ order }) => ({ order: now.get(order.id) ?? order, gone: !now.has(order.id) })) : [];
  const listed = new Set(kept.map(({ order }) => order.id));
  const added = fresh
    .filter(({ id }) => !listed.has(id))
    .toSorted((a, b) => a.made_ns - b.made_ns || (a.id < b.id ? -1 : 1));
  return [...kept, ...added.map((order) => ({ order, gone: false }))];
}

export interface Fill {
  readonly ts_ns: number;
  readonly symbol: string;
  readonly side: string;
  readonly quantity: string;
  readonly price: string;
  readonly fee: string;
  readonly order: string;
  readonly purpose: string;
  readonly strategy: string;
}

export interface Position {
  readonly symbol: string;
  readonly quantity: string;
  readonly average: string;
  readonly strategy: string;
  readonly stop: string | null;
  readonly target: string | null;
  readonly covered: string;
  /** What would end it at its stop now. */
  readonly guard: 'venue' | 'desk' | 'none';
  readonly leaving: string;
  readonly last: number | null;
  /** Whether `last` is STALE or PROVISIONAL: so is what is reckoned from it. */
  readonly stale?: boolean;
  readonly unrealised: string | null;
}

export interface Pnl {
  readonly rows: readonly {
    readonly symbol: string;
    readonly realised: string;
    readonly fees: string;
    readonly unrealised: string | null;
    readonly net: string | null;
    readonly stale?: boolean;
  }[];
  readonly account: {
    readonly equity: string;
    readonly buying_power: string;
    readonly last_equity: string;
    readonly peak: string;
    readonly blocked: string;
  } | null;
}

export interface LimitUse {
  readonly name: string;
  readonly unit: string;
  readonly most: string;
  readonly used: string | null;
  readonly where: string;
  readonly reached: boolean;
}

export interface TraderInfo extends TraderStatus {
  readonly desks: readonly {
    readonly name: string;
    readonly broker: string;
    readonly fault: string;
    readonly unknown: number;
    readonly strangers: number;
    readonly limits: readonly LimitUse[];
    readonly strategies: Readonly<Record<string, string>>;
  }[];
}

const MODES: Readonly<Record<string, readonly [string, string, string]>> = {
  live: ['LIVE', 'live', 'Orders go to the broker: real money.'],
  paper: ['PAPER', 'dry', 'Orders go to an account of play money at the broker.'],
  'dry-run': ['DRY-RUN', 'dry', 'Orders go to the paper broker alone.'],
};

/** Return the badge that tells where orders go: its text, tone and explanation. */
export function badgeOf(trader: TraderStatus | undefined): { text: string; tone: string; tip: string } {
  const [text, tone, tip] = MODES[trader?.mode ?? ''] ?? ['DRY-RUN', 'dry', 'No trader runs: no order is sent.'];
  if (trader === undefined || trader.mode === 'off' || trader.state === 'ready') return { text, tone, tip };
  return { text: `${text} ${trader.state}`, tone, tip: `${tip} No entry goes now: ${trader.reason}.` };
}

/** Return what an order asks, in words: buy 100 limit 12.34. */
export function asked(order: Order): string {
  const prices = [order.stop, order.limit].filter((each) => each !== null).join(' / ');
  return `${order.side} ${order.quantity} ${order.kind.replace('_', '-')} ${prices}`.trim();
}

/** Return the share of a limit that is used, 0 to 1; null where it can't be told. */
export function share(limit: LimitUse): number | null {
  const [used, most] = [Number(limit.used), Number(limit.most)];
  if (limit.used === null || limit.used === '' || !(most > 0) || Number.isNaN(used)) return null;
  return Math.min(1, Math.max(0, used / most));
}

/** Return the fills as marks at their bars, oldest first: a sale above its bar, a purchase below. */
export function fillMarks(fills: readonly Fill[], bars: readonly Bar[]): readonly Mark[] {
  return fills
    .flatMap((fill): Mark[] => {
      const startS = startAt(bars, fill.ts_ns / 1e9);
      const sold = fill.side === 'sell';
      const text = `${sold ? 'sold' : 'bought'} ${fill.quantity} at ${fill.price}`;
      return startS === null ? [] : [{ startS, above: sold, colour: sold ? '--down' : '--up', text, fill: true }];
    })
    .sort((a, b) => a.startS - b.startS);
}
