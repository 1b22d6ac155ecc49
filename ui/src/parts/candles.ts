/** The candle chart: lightweight-charts with candles, volume, extended hours and close line. */

import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  LineStyle,
  type CandlestickData,
  type HistogramData,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type UTCTimestamp,
} from 'lightweight-charts';

import { newYorkOffset } from '../model/clock';
import type { Bar } from '../wire';
import { ExtendedHours } from './hours';

/** How many minutes are in sight when a symbol is loaded. */
const VISIBLE_BARS = 90;

export class CandleChart {
  #host: HTMLElement;
  #chart: IChartApi;
  #candles: ISeriesApi<'Candlestick'>;
  #volume: ISeriesApi<'Histogram'>;
  #hours = new ExtendedHours();
  #line: IPriceLine | null = null;
  #symbol = '';
  #columns = { up: '', down: '' };
  #bars: readonly Bar[] = [];

  constructor(host: HTMLElement) {
    this.#host = host;
    this.#chart = createChart(host, { autoSize: true });
    this.#volume = this.#chart.addSeries(HistogramSeries, VOLUME);
    this.#candles = this.#chart.addSeries(CandlestickSeries, { priceLineVisible: true });
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#candles.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
    this.#candles.attachPrimitive(this.#hours);
    this.paint();
  }

  remove(): void {
    this.#chart.remove();
  }

  /** Show `bars` of `symbol`; only what changed is redrawn while the symbol stays. */
  show(symbol: string, bars: readonly Bar[]): void {
    const from = symbol === this.#symbol ? this.#unchanged(bars) : -1;
    this.#symbol = symbol;
    this.#bars = bars;
    if (from < 0) this.#load(bars);
    else this.#extend(bars, from);
  }

  /** Draw a line at the previous close; null takes it away. */
  mark(previousClose: number | null): void {
    if (this.#line !== null) this.#candles.removePriceLine(this.#line);
    this.#line = null;
    if (previousClose === null) return;
    this.#line = this.#candles.createPriceLine({
      price: previousClose,
      color: this.#colour('--dim'),
      lineWidth: 1,
      lineStyle: LineStyle.Dashed,
      axisLabelVisible: true,
      title: 'prev close',
    });
  }

  /** Take the colours of the page. */
  paint(): void {
    const up = this.#colour('--up');
    const down = this.#colour('--down');
    const line = this.#colour('--line');
    this.#columns = { up: this.#translucent('--up-bg'), down: this.#translucent('--down-bg') };
    const edge = { borderColor: this.#colour('--line-strong') };
    this.#chart.applyOptions({
      layout: {
        background: { color: this.#colour('--panel') },
        textColor: this.#colour('--soft'),
        fontFamily: this.#colour('--mono'),
        fontSize: 11,
        attributionLogo: true,
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: edge,
      timeScale: { ...edge, timeVisible: true, secondsVisible: false, rightOffset: 3 },
    });
    this.#candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      borderVisible: false,
    });
    this.#line?.applyOptions({ color: this.#colour('--dim') });
    if (this.#bars.length > 0) this.#fill(this.#bars);
  }

  /** Return from which index on `bars` may differ from what is drawn; -1 to load them all. */
  #unchanged(bars: readonly Bar[]): number {
    const known = this.#bars.length;
    if (known === 0 || bars.length < known) return -1;
    for (let at = 0; at < known - 1; at += 1) if (bars[at] !== this.#bars[at]) return -1;
    return bars[known - 1]?.[0] === this.#bars[known - 1]?.[0] ? known - 1 : -1;
  }

  #load(bars: readonly Bar[]): void {
    const last = bars.at(-1)?.[2] ?? 1;
    const precision = last < 1 ? 4 : 2;
    const priceFormat = { type: 'price' as const, precision, minMove: 10 ** -precision };
    this.#candles.applyOptions({ priceFormat });
    this.#fill(bars);
    const range = { from: bars.length - VISIBLE_BARS, to: bars.length + 3 };
    if (bars.length > 0) this.#chart.timeScale().setVisibleLogicalRange(range);
  }

  #fill(bars: readonly Bar[]): void {
    this.#candles.setData(bars.map(candle));
    this.#volume.setData(bars.map((bar) => this.#column(bar)));
    this.#hours.shade(bars.map(localTime));
  }

  #extend(bars: readonly Bar[], from: number): void {
    for (const bar of bars.slice(from)) {
      this.#candles.update(candle(bar));
      this.#volume.update(this.#column(bar));
    }
    this.#hours.shade(bars.map(localTime));
  }

  #column(bar: Bar): HistogramData<UTCTimestamp> {
    const color = bar[4] >= bar[1] ? this.#columns.up : this.#columns.down;
    return { time: localTime(bar), value: bar[5], color };
  }

  /** The library reads the older way of writing a colour only: rgba(r, g, b, a). */
  #translucent(name: string): string {
    return `rgba(${this.#colour(name).split(' ').join(', ')}, 0.45)`;
  }

  #colour(name: string): string {
    return getComputedStyle(this.#host).getPropertyValue(name).trim();
  }
}

const VOLUME = {
  priceScaleId: 'volume',
  priceFormat: { type: 'volume' as const },
  lastValueVisible: false,
  priceLineVisible: false,
};

/** The library draws UTC; a time shifted by New York's offset shows New York's hours. */
function localTime(bar: Bar): UTCTimestamp {
  return (bar[0] + newYorkOffset(bar[0] * 1000) / 1000) as UTCTimestamp;
}

function candle(bar: Bar): CandlestickData<UTCTimestamp> {
  const [, open, high, low, close] = bar;
  return { time: localTime(bar), open, high, low, close };
}
