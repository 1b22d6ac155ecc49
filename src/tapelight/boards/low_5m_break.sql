-- title = "5-minute low"
-- kind = "events"
-- doc = "Trades below every price of the last 5 closed minutes, on more than the usual volume."
-- number = 29.360000000000003
-- phases = ["regular"]
-- cooldown_s = 300.0
-- text = "5-minute low"
SELECT symbol, last, low_5m, chg_5m, chg_pct, vol_1m, vol, rvol_5m, rvol_tod, spread_pct
FROM market
WHERE last < low_5m AND rvol_5m >= 2 AND rvol_tod >= 2 AND trade_rate >= 0.5
