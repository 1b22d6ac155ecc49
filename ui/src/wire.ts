/** The messages of the gateway's WebSocket; DESIGN.md section 6 is the contract. */

export type Cell = number | string | boolean | null;

/** One column as the engine declares it; `doc` holds its formula. */
export interface Column {
  readonly name: string;
  readonly unit: string;
  readonly doc: string;
  readonly topic?: string;
}

export interface BoardInfo {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly doc?: string;
  readonly columns?: readonly (Column | string)[];
  readonly phases?: readonly string[];
}

/** Start (s, UTC), open, high, low, close, volume. */
export type Bar = readonly [number, number, number, number, number, number];

/** One print; `n` rises with each print of the market. */
export interface Print {
  readonly n: number;
  readonly ts_ns: number;
  readonly price: number;
  readonly size: number;
  /** Whether its sale conditions let it move the last price. */
  readonly moves: boolean;
  readonly conditions: readonly string[];
}

/** One comparison that a condition saw; `true` is null where a value is unknown. */
export interface Leaf {
  readonly name: string;
  readonly value: Cell;
  readonly op: string;
  readonly bound: Cell;
  readonly true: boolean | null;
  readonly within?: readonly string[];
  readonly against?: string;
}

/** How a strategy would trade its signal; prices in $. */
export interface Plan {
  readonly side: string;
  readonly entry: number;
  readonly limit: number;
  readonly stop: number;
  readonly targets?: readonly number[];
  readonly signal_only?: boolean;
}

export interface Signal {
  readonly id: string;
  readonly scan: string;
  readonly symbol: string;
  readonly state: string;
  readonly ts_ns: number;
  readonly text: string;
  readonly values?: Readonly<Record<string, Cell>>;
  /** entry, or exit: how what a strategy entered has ended. */
  readonly kind?: string;
  readonly reason?: string;
  readonly plan?: Plan | null;
  readonly why?: readonly Leaf[];
  /** How many signals of a burst there have been. */
  readonly count?: number;
  readonly hops?: { readonly text?: string } | null;
}

/** A symbol that is near a scan's trigger, since a market time. */
export interface Armed {
  readonly scan: string;
  readonly symbol: string;
  readonly since_ns: number;
}

/** Something that a rule or a price level of the user told; `sound` names its tone. */
export interface Alert {
  readonly id: string;
  readonly rule: string;
  readonly kind: string;
  readonly text: string;
  readonly symbol: string;
  readonly scan: string;
  readonly ts_ns: number;
  readonly sound: string;
  readonly speak: boolean;
}

/** What the trader tells of itself; `mode` is off, dry-run, paper or live (real money). */
export interface TraderStatus {
  /** ready, or off, stopped, killed, halted with the reason: no entry goes then. */
  readonly state: string;
  readonly mode: string;
  readonly reason: string;
  readonly kill: {
    readonly on: boolean;
    readonly reason: string;
    readonly by: string;
    readonly ts_ns: number;
    readonly flatten: boolean;
  };
}

export interface Status {
  readonly phase?: string;
  readonly session?: string;
  readonly feed?: { name?: string; state?: string; coverage?: string; detail?: string };
  /** What the figures are: feed, coverage, delay, holes; `text` says it in a sentence. */
  readonly label?: { readonly text?: string };
  readonly events_s?: number | null;
  readonly trades_s?: number | null;
  readonly lag_ms?: { p50?: number | null; p99?: number | null };
  readonly rows?: number | null;
  readonly stale?: number | null;
  readonly gaps?: number | null;
  readonly provisional?: number | null;
  readonly quarantined?: number | null;
  readonly journal?: { state?: string; bytes?: number | null; seq?: number | null };
  readonly rate?: number | null;
  /** The trader, where there can be one. */
  readonly trader?: TraderStatus;
}

/** What every message of a topic carries. `ts_ns` is market time. */
export interface Envelope {
  readonly topic: string;
  readonly epoch: number | string;
  readonly seq: number;
  readonly mark: number;
  readonly ts_ns: number;
  readonly kind: 'snapshot' | 'diff';
  readonly recovered?: boolean;
  /** The past time (ms, UTC) that the page asked for; absent in what the gateway streams. */
  readonly moment?: number;
}

export interface BoardSnapshot {
  readonly name: string;
  readonly title: string;
  readonly board_kind: string;
  readonly columns: readonly Column[];
  readonly order: readonly string[];
  readonly rows: Readonly<Record<string, readonly Cell[]>>;
}

/** Set where there is no such board any more: it was deleted, or has another name. */
export interface Gone {
  readonly gone?: boolean;
}

export interface BoardDiff {
  readonly order?: readonly string[];
  readonly rows?: Readonly<Record<string, readonly Cell[]>>;
  readonly cells?: readonly (readonly [string, number, Cell])[];
}

export interface SymbolSnapshot {
  readonly values: Readonly<Record<string, Cell>>;
  readonly columns: readonly Column[];
}

export type BoardMessage = Envelope &
  (({ kind: 'snapshot' } & BoardSnapshot & Gone) | ({ kind: 'diff' } & BoardDiff));
export type SymbolMessage = Envelope &
  (({ kind: 'snapshot' } & SymbolSnapshot) | { kind: 'diff'; values: Record<string, Cell> });
export type BarsMessage = Envelope & { readonly bars: readonly Bar[] };
export type PrintsMessage = Envelope & { readonly prints: readonly Print[] };
export type SignalsMessage = Envelope & { readonly signals: readonly Signal[] };
export type AlertsMessage = Envelope & { readonly alerts: readonly Alert[] };
/** Who is armed; `gone` [scan, symbol] is no more, `total` counts also those beyond the view's bound. */
export type ArmedMessage = Envelope & {
  readonly armed: readonly Armed[];
  readonly gone?: readonly (readonly [string, string])[];
  readonly total: number;
};
export type StatusMessage = Envelope & { readonly status: Status };

export interface Fault {
  readonly op: 'error';
  readonly title: string;
  readonly detail: string;
  /** The topic that was refused, where the fault is about one. */
  readonly topic?: string;
}
