-- title = "Volume bursts"
-- doc = "The last minute against the twenty before it; needs no history."
-- number = 31
SELECT symbol, last, vol_burst, vol_1m, chg_1m, accel, buy_pct_1m, trade_rate, chg_pct, spread_pct,
       stale
FROM market
WHERE vol_burst >= 4 AND vol_1m >= 10_000
ORDER BY vol_burst DESC LIMIT 50
