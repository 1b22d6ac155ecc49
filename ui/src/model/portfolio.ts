/** The risk of what is held, as the gateway reckons it, and its picture. */

export interface RiskFigures {
  readonly value_at_risk: number;
  readonly expected_shortfall: number;
}

export interface Picture {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
  readonly mean: number;
  readonly deviation: number;
  readonly loss_share: number;
}

export interface HeldRisk {
  readonly symbol: string;
  readonly quantity: number;
  readonly last: number;
  readonly stale: boolean;
  readonly sector: string | null;
  readonly volatility_pct: number;
  readonly beta: number;
  readonly delta_dollars: number;
  readonly delta: number;
  readonly gamma: number;
  readonly theta: number;
  readonly vega: number;
  readonly value_at_risk: number;
}

export interface Portfolio {
  readonly days: number;
  readonly confidence: number;
  readonly paths: number;
  readonly index: string;
  readonly net: number;
  readonly gross: number;
  readonly long: number;
  readonly short: number;
  readonly beta_dollars: number;
  readonly by_sector: Readonly<Record<string, number>>;
  readonly parametric: RiskFigures | null;
  readonly monte_carlo: RiskFigures | null;
  readonly picture: Picture | null;
  readonly rows: readonly HeldRisk[];
  readonly left_out: readonly { readonly symbol: string; readonly reason: string }[];
}

/** One bar of the picture: place and height as shares of 1, and whether it ends in a loss. */
export interface Step {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  /** Its middle, $. */
  readonly at: number;
  readonly share: number;
  readonly tone: 'tail' | 'loss' | 'gain';
}

/** Return the picture's bars; those in the tail end beyond the value at risk. */
export function stepsOf(picture: Picture, valueAtRisk: number): readonly Step[] {
  const { counts, low, high } = picture;
  const most = Math.max(1, ...counts);
  const all = Math.max(1, counts.reduce((sum, each) => sum + each, 0));
  const wide = (high - low) / counts.length;
  return counts.map((count, place) => {
    const at = low + (place + 0.5) * wide;
    return {
      left: place / counts.length,
      width: 1 / counts.length,
      height: count / most,
      at,
      share: count / all,
      tone: at < -valueAtRisk ? 'tail' : at < 0 ? 'loss' : 'gain',
    };
  });
}

/** Return where `dollars` stands between the lowest and the highest, 0 to 1; null beyond them. */
export function placeOf(picture: Picture, dollars: number): number | null {
  const place = (dollars - picture.low) / (picture.high - picture.low);
  return place >= 0 && place <= 1 ? place : null;
}
