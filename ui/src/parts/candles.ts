/** The candle chart: lightweight-charts with candles, volume, extended hours and close line. */

import {
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  LineSeries,
  LineStyle,
  type CandlestickData,
  type HistogramData,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type LineData,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from 'lightweight-charts';

import type { Level, Mark, Study } from '../model/charting';
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
  #lines: IPriceLine[] = [];
  #studies = new Map<string, ISeriesApi<'Line'>>();
  #marks: ISeriesMarkersPluginApi<Time>;
  #shown = '';
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
    this.#marks = createSeriesMarkers(this.#candles, []);
    this.paint();
  }

  remove(): void {
    this.#chart.remove();
  }

  /** Show `bars` of `symbol` (a symbol with its span); only what changed is redrawn while the symbol stays. */
  show(symbol: string, bars: readonly Bar[]): void {
    const from = symbol === this.#symbol ? this.#unchanged(bars) : -1;
    this.#symbol = symbol;
    this.#bars = bars;
    if (from < 0) this.#load(bars);
    else this.#extend(bars, from);
  }

  /** Draw lines at `levels`, in place of those before. */
  levels(levels: readonly Level[]): void {
    const told = JSON.stringify(levels);
    if (told === this.#shown) return;
    this.#shown = told;
    for (const line of this.#lines) this.#candles.removePriceLine(line);
    this.#lines = levels.map(({ title, price, colour }) =>
      this.#candles.createPriceLine({
        price,
        color: this.#colour(colour),
        lineWidth: 1,
        lineStyle: LineStyle.Dashed,
        axisLabelVisible: true,
        title,
      }),
    );
  }

  /** Draw `studies` over the bars last shown, in place of those before. */
  studies(studies: readonly Study[]): void {
    const wanted = new Set(studies.map(({ name }) => name));
    for (const [name, series] of this.#studies) {
      if (wanted.has(name)) continue;
      this.#chart.removeSeries(series);
      this.#studies.delete(name);
    }
    for (const study of studies) this.#study(study);
  }

  #study({ name, colour, line }: Study): void {
    const known = this.#studies.get(name);
    const series = known ?? this.#chart.addSeries(LineSeries, STUDY);
    this.#studies.set(name, series);
    series.applyOptions({ color: this.#colour(colour) });
    series.setData(
      this.#bars.map((bar, at): LineData<UTCTimestamp> | WhitespaceData<UTCTimestamp> => {
        const value = line[at];
        return value == null ? { time: localTime(bar) } : { time: localTime(bar), value };
      }),
    );
  }

  /** Draw `marks` (oldest first) at their bars. */
  marks(marks: readonly Mark[]): void {
    const shown = marks.map(
      ({ startS, above, colour, fill }): SeriesMarker<Time> => ({
        time: localOf(startS),
        position: above ? 'aboveBar' : 'belowBar',
        shape: fill === true ? 'circle' : above ? 'arrowDown' : 'arrowUp',
        color: this.#colour(colour),
        size: fill === true ? 1.1 : 0.8,
      }),
    );
    this.#marks.setMarkers(shown);
  }

  /** Tell the bar under the crosshair by its number; -1 where there is none. */
  onhover(told: (at: number) => void): void {
    this.#chart.subscribeCrosshairMove(({ logical }) => told(logical ?? -1));
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
      timeScale: { ...edge, timeVisible: true, secondsVisible: false, rightOffset: 7 },
    });
    this.#candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      borderVisible: false,
    });
    this.#shown = '';
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
    const range = { from: bars.length - VISIBLE_BARS, to: bars.length + 7 };
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

const STUDY = {
  lineWidth: 1 as const,
  lastValueVisible: false,
  priceLineVisible: false,
  crosshairMarkerVisible: false,
};

/** The library draws UTC; a time shifted by New York's offset shows New York's hours. */
function localTime(bar: Bar): UTCTimestamp {
  return localOf(bar[0]);
}

function localOf(startS: number): UTCTimestamp {
  return (startS + newYorkOffset(startS * 1000) / 1000) as UTCTimestamp;
}

function candle(bar: Bar): CandlestickData<UTCTimestamp> {
  const [, open, high, low, close] = bar;
  return { time: localTime(bar), open, high, low, close };
}
