-- title = "Most active $"
-- doc = "The most dollars traded today."
-- number = 21
SELECT symbol, last, chg_pct, dollar_vol, dv_5m, vol, trades, rvol_tod, spread_pct, trade_rate,
       hod_dist_pct, vwap_dist_pct, stale
FROM market
WHERE dollar_vol > 0
ORDER BY dollar_vol DESC LIMIT 100
