-- title = "Pre-market high break"
-- kind = "events"
-- doc = "Opened at or below the pre-market high and has come above it within the last minute."
-- number = 29.1
-- phases = ["regular"]
-- cooldown_s = 900.0
-- armed = "pmh_dist_pct BETWEEN -0.5 AND 0 AND open <= pm_high AND pm_vol >= 20_000 AND rvol_tod >= 2"
-- invalid = "pmh_dist_pct < -1"
-- confirm = "pmh_dist_pct >= 0.5"
-- expires_s = 600.0
-- text = "above the pre-market high"
SELECT symbol, last, pm_high, pm_vol, gap_pct, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last > pm_high AND open <= pm_high AND pm_vol >= 20_000 AND rvol_tod >= 2
  AND (last / (1 + chg_1m / 100) <= pm_high * 1.000001 OR vol_rth <= vol_1m)
