-- title = "Momentum tape: cash"
-- doc = "The most dollars of the last ten seconds, from trades."
-- number = 28.1
SELECT symbol, last, dv_10s, vol_10s, trade_rate_10s, chg_30s, chg_1m, buy_pct_1m, blocks_5m,
       spread_pct, stale
FROM market
WHERE dv_10s > 0
ORDER BY dv_10s DESC LIMIT 50
