/** Questions that a market table has ready. */

export interface Question {
  readonly title: string;
  readonly columns: string;
  readonly where: string;
  readonly order: string;
  readonly limit: number;
}

export const PRESETS: Readonly<Record<string, Question>> = {
  news: {
    title: 'News',
    columns: 'symbol, news_age_min, headline, headline_tags, news_24h, last, chg_pct, rvol_tod',
    where: 'news_24h > 0',
    order: 'news_age_min',
    limit: 100,
  },
  options: {
    title: 'Options',
    columns: 'symbol, last, iv30, iv_rank, iv_pctl, put_call_vol, atm_delta, atm_gamma, atm_theta, atm_vega, iv_age_s',
    where: 'iv30 IS NOT NULL',
    order: 'iv30 DESC',
    limit: 100,
  },
  correlation: {
    title: 'Correlation and beta',
    columns: 'symbol, last, chg_pct, corr_spy_20d, corr_sector_20d, beta_spy, rs_spy_15m, rs_spy_30m, sector',
    where: 'corr_spy_20d IS NOT NULL AND vol >= 100_000',
    order: 'corr_spy_20d',
    limit: 200,
  },
  quality: {
    title: 'Rows not to trust',
    columns: 'symbol, stale, provisional, quarantined, age_ms, quiet_s, last, spread_pct, halt_suspected, feed',
    where: 'stale OR provisional OR quarantined > 0 OR halt_suspected',
    order: 'quarantined DESC',
    limit: 200,
  },
  active: {
    title: 'Most active',
    columns: 'symbol, last, chg_pct, dollar_vol, vol, trades, trade_rate, rvol_tod, spread_pct',
    where: 'vol > 0',
    order: 'dollar_vol DESC',
    limit: 100,
  },
};
