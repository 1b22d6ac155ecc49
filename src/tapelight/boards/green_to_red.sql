-- title = "Green to red"
-- kind = "events"
-- doc = "Opened above the previous close and has fallen below it within the last minute."
-- number = 29.05
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "green to red"
SELECT symbol, last, prev_close, open, chg_pct, gap_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last < prev_close AND open > prev_close AND rvol_tod >= 1.5 AND trade_rate >= 0.5
  AND (last / (1 + chg_1m / 100) >= prev_close * 0.999999 OR vol_rth <= vol_1m)
