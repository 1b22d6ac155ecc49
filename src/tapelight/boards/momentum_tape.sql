-- title = "Momentum tape: prints"
-- doc = "The fastest tape of the last ten seconds, from trades."
-- number = 28
SELECT symbol, last, trade_rate_10s, trade_rate, chg_30s, chg_1m, vol_10s, dv_10s, buy_pct_1m,
       blocks_5m, spread_pct, stale
FROM market
WHERE trade_rate_10s > 0
ORDER BY trade_rate_10s DESC LIMIT 50
