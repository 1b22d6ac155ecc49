-- title = "Pre-market high break"
-- kind = "events"
-- doc = "Opened at or below the pre-market high and trades above it."
-- number = 29.1
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "above the pre-market high"
SELECT symbol, last, pm_high, pm_vol, gap_pct, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last > pm_high AND open <= pm_high AND pm_vol >= 20_000 AND rvol_tod >= 2
