-- title = "Momentum tape: volume"
-- doc = "The most shares of the last ten seconds, from trades."
-- number = 28.2
SELECT symbol, last, vol_10s, dv_10s, trade_rate_10s, chg_30s, chg_1m, buy_pct_1m, blocks_5m,
       spread_pct, stale
FROM market
WHERE vol_10s > 0
ORDER BY vol_10s DESC LIMIT 50
