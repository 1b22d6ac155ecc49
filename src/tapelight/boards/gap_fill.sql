-- title = "Gap fill"
-- kind = "events"
-- doc = "A gap of 2 % or more has just been given back whole."
-- number = 29.25
-- phases = ["regular"]
-- cooldown_s = 3600.0
-- text = "gap filled"
SELECT symbol, last, prev_close, gap_pct, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE ((gap_pct >= 2 AND last <= prev_close) OR (gap_pct <= -2 AND last >= prev_close))
  AND rvol_tod >= 1.5
