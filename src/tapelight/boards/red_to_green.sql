-- title = "Red to green"
-- kind = "events"
-- doc = "Opened below the previous close and has come above it within the last minute."
-- number = 29
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "red to green"
SELECT symbol, last, prev_close, open, chg_pct, gap_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last > prev_close AND open < prev_close AND rvol_tod >= 1.5 AND trade_rate >= 0.5
  AND (last / (1 + chg_1m / 100) <= prev_close * 1.000001 OR vol_rth <= vol_1m)
