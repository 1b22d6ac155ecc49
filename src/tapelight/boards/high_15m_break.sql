-- title = "15-minute high"
-- kind = "events"
-- doc = "Trades above every price of the last 15 closed minutes, on more than the usual volume."
-- number = 29.37
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "15-minute high"
SELECT symbol, last, high_15m, chg_5m, chg_pct, vol_1m, vol, rvol_5m, rvol_tod, spread_pct
FROM market
WHERE last > high_15m AND rvol_5m >= 2 AND rvol_tod >= 2 AND trade_rate >= 0.5
