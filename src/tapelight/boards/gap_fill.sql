-- title = "Gap fill"
-- kind = "events"
-- doc = "A gap of 2 % or more was given back whole within the last minute."
-- number = 29.25
-- phases = ["regular"]
-- cooldown_s = 3600.0
-- text = "gap filled"
SELECT symbol, last, prev_close, gap_pct, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE (gap_pct >= 2 AND last <= prev_close
       AND (last / (1 + chg_1m / 100) > prev_close * 1.000001 OR vol_rth <= vol_1m)
    OR gap_pct <= -2 AND last >= prev_close
       AND (last / (1 + chg_1m / 100) < prev_close * 0.999999 OR vol_rth <= vol_1m))
  AND rvol_tod >= 1.5
