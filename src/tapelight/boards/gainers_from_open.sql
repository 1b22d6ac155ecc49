-- title = "Gainers from open"
-- doc = "Up 3 % or more from the regular open."
-- number = 4
-- phases = ["regular"]
SELECT symbol, last, chg_open_pct, chg_pct, vol_rth, rvol_tod, rvol_5m, hod_dist_pct,
       vwap_dist_pct, spread_pct, trade_rate, atr_used, float_shares, ssr, stale
FROM market
WHERE chg_open_pct >= 3 AND vol_rth >= 200_000
ORDER BY chg_open_pct DESC LIMIT 100
