-- title = "Watchlist"
-- doc = "The symbols that are pinned, whatever they do; the benchmarks among them."
-- number = 23
-- gate = "none"
SELECT symbol, last, chg_pct, gap_pct, vol, rvol_tod, rvol_5m, spread_pct, trade_rate,
       hod_dist_pct, vwap_dist_pct, news_age_min, halted, ssr, stale, provisional
FROM market
WHERE tier_why = 'pinned'
ORDER BY symbol LIMIT 200
