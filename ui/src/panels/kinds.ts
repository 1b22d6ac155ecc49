/** The kinds of panels: one line each, one file each. */

import type { Component } from 'svelte';

import type { PanelView } from '../state/desk.svelte';
import AlertPanel from './AlertPanel.svelte';
import ApprovalPanel from './ApprovalPanel.svelte';
import ArmedPanel from './ArmedPanel.svelte';
import BoardPanel from './BoardPanel.svelte';
import CardPanel from './CardPanel.svelte';
import ChainPanel from './ChainPanel.svelte';
import ChartPanel from './ChartPanel.svelte';
import FeedPanel from './FeedPanel.svelte';
import HaltPanel from './HaltPanel.svelte';
import HealthPanel from './HealthPanel.svelte';
import HeatPanel from './HeatPanel.svelte';
import MarketPanel from './MarketPanel.svelte';
import OrderPanel from './OrderPanel.svelte';
import PortfolioPanel from './PortfolioPanel.svelte';
import PositionPanel from './PositionPanel.svelte';
import PrintPanel from './PrintPanel.svelte';
import RecordPanel from './RecordPanel.svelte';
import RiskPanel from './RiskPanel.svelte';
import SignalPanel from './SignalPanel.svelte';
import TapePanel from './TapePanel.svelte';
import WatchPanel from './WatchPanel.svelte';
import WhyPanel from './WhyPanel.svelte';

/** What a panel's component is handed; its tools go into `tools`. */
export interface PanelProps {
  readonly panel: PanelView;
  readonly tools: HTMLElement | undefined;
}

export interface Kind {
  readonly title: string;
  /** What it is for, in the list of panels. */
  readonly hint: string;
  /** Whether it follows or leads a link colour. */
  readonly linked: boolean;
  /** Whether it shows the present also while the page shows the past. */
  readonly present?: boolean;
  readonly load: () => Component<PanelProps> | Promise<Component<PanelProps>>;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  board: { title: 'Board', hint: 'A ranked list, or a scan with its newest first', linked: true, load: () => BoardPanel },
  tape: { title: 'Events', hint: 'Signals as they come, newest first', linked: true, load: () => TapePanel },
  chart: { title: 'Chart', hint: 'Candles with studies, levels and signals', linked: true, load: () => ChartPanel },
  card: { title: 'Symbol', hint: 'Every column of a symbol, with its formula', linked: true, load: () => CardPanel },
  prints: { title: 'Time and sales', hint: 'Each print of a symbol with size and sale conditions', linked: true, load: () => PrintPanel },
  watch: { title: 'Watchlist', hint: 'Your symbols', linked: true, load: () => WatchPanel },
  halts: { title: 'Halts', hint: 'Halted, suspected, resumed, and near a limit band', linked: true, load: () => HaltPanel },
  armed: { title: 'Armed', hint: 'Who is about to fire, and by how much each misses', linked: true, load: () => ArmedPanel },
  signals: { title: 'Signal log', hint: 'Every signal with reasons, life, latency and track record', linked: true, load: () => SignalPanel },
  why: { title: 'Why', hint: 'Why a symbol is, or is not, on a board or fired by a scan', linked: true, load: () => WhyPanel },
  records: { title: 'Track record', hint: 'What followed the signals of each scan and strategy', linked: false, present: true, load: () => RecordPanel },
  market: { title: 'Market table', hint: 'Your own question, or news, options, sectors, data quality', linked: true, load: () => MarketPanel },
  heat: { title: 'Correlation', hint: 'How the symbols of a board, or of a watchlist, move together today', linked: true, load: () => HeatPanel },
  chain: { title: 'Option chain', hint: 'Quotes, implied volatility and Greeks of a symbol\'s options', linked: true, load: () => ChainPanel },
  editor: {
    title: 'Scan editor',
    hint: 'Write, test and save scans, in SQL or in a form',
    linked: true,
    load: async () => (await import('./EditorPanel.svelte')).default,
  },
  alerts: { title: 'Alerts', hint: 'Rules, price levels, channels with a test, receipts', linked: true, present: true, load: () => AlertPanel },
  orders: { title: 'Orders', hint: 'Orders and fills, the refused ones with the rule', linked: true, present: true, load: () => OrderPanel },
  approvals: { title: 'Approvals', hint: 'Orders that wait for you', linked: true, present: true, load: () => ApprovalPanel },
  positions: { title: 'Positions', hint: 'What is held, profit and loss, the account', linked: true, present: true, load: () => PositionPanel },
  portfolio: { title: 'Portfolio risk', hint: 'Exposure, value at risk and the Monte Carlo picture of what is held', linked: true, present: true, load: () => PortfolioPanel },
  risk: { title: 'Risk limits', hint: 'Each limit and its use, the kill switch, strategies and modes', linked: false, present: true, load: () => RiskPanel },
  feed: { title: 'Feeds and data', hint: 'What comes in, what is missing, what was refused', linked: false, present: true, load: () => FeedPanel },
  health: { title: 'System', hint: 'Latency, journal, tiers, questions, gateway', linked: false, present: true, load: () => HealthPanel },
};
