-- title = "Most trades"
-- doc = "The most prints today, from the tape."
-- number = 26
SELECT symbol, last, chg_pct, trades, trade_rate, trade_rate_10s, vol, dollar_vol,
       avg_trade_size_1m, spread_pct, stale
FROM market
WHERE trades > 0
ORDER BY trades DESC LIMIT 100
