-- title = "Previous day's low break"
-- kind = "events"
-- doc = "Opened at or above yesterday's low and has fallen below it within the last minute."
-- number = 29.2
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "below yesterday's low"
SELECT symbol, last, prev_low, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last < prev_low AND open >= prev_low AND rvol_tod >= 1.5
  AND (last / (1 + chg_1m / 100) >= prev_low * 0.999999 OR vol_rth <= vol_1m)
