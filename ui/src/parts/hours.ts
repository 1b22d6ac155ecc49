/** Shade the bars outside of regular hours, behind the candles. */

import type {
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from 'lightweight-charts';

import { extendedRuns } from '../model/bars';

type Target = Parameters<IPrimitivePaneRenderer['draw']>[0];

/** A primitive of the candle series: one rectangle for each run of extended-hours bars. */
export class ExtendedHours implements ISeriesPrimitive<Time> {
  #chart: SeriesAttachedParameter<Time>['chart'] | null = null;
  #redraw: () => void = () => undefined;
  #runs: readonly (readonly [number, number])[] = [];
  #views: readonly IPrimitivePaneView[];

  constructor() {
    const renderer: IPrimitivePaneRenderer = { draw: (target) => this.#draw(target) };
    this.#views = [{ renderer: () => renderer, zOrder: () => 'bottom' }];
  }

  attached({ chart, requestUpdate }: SeriesAttachedParameter<Time>): void {
    this.#chart = chart;
    this.#redraw = requestUpdate;
  }

  detached(): void {
    this.#chart = null;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.#views;
  }

  /** Shade what is extended of `times` (s, New York wall time, ascending). */
  shade(times: readonly number[]): void {
    this.#runs = extendedRuns(times);
    this.#redraw();
  }

  #draw(target: Target): void {
    const scale = this.#chart?.timeScale();
    if (scale === undefined) return;
    const half = scale.options().barSpacing / 2;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.fillStyle = 'rgba(120, 150, 190, 0.09)';
      for (const [from, to] of this.#runs) {
        const left = scale.timeToCoordinate(from as UTCTimestamp);
        const right = scale.timeToCoordinate(to as UTCTimestamp);
        if (left === null || right === null) continue;
        context.fillRect(left - half, 0, right - left + 2 * half, mediaSize.height);
      }
    });
  }
}
