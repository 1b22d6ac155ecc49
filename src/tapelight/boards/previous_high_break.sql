-- title = "Previous day's high break"
-- kind = "events"
-- doc = "Opened at or below yesterday's high and has come above it within the last minute."
-- number = 29.15
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "above yesterday's high"
SELECT symbol, last, prev_high, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last > prev_high AND open <= prev_high AND rvol_tod >= 1.5
  AND (last / (1 + chg_1m / 100) <= prev_high * 1.000001 OR vol_rth <= vol_1m)
