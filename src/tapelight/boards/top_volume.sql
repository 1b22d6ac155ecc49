-- title = "Top volume"
-- doc = "The most shares traded today."
-- number = 25
SELECT symbol, last, chg_pct, vol, vol_1m, vol_5m, rvol_tod, trades, avg_trade_size_1m, spread_pct,
       trade_rate, stale
FROM market
WHERE vol > 0
ORDER BY vol DESC LIMIT 100
