-- title = "HOD momo (small cap)"
-- kind = "events"
-- doc = "A new high of the day in a low-float mover with volume behind it."
-- number = 5
-- cooldown_s = 30.0
-- rearm_pct = 1.0
-- armed = "hod_dist_pct >= -0.5 AND last BETWEEN 1 AND 20 AND float_shares <= 50_000_000 AND chg_pct >= 5 AND rvol_tod >= 3 AND rvol_5m >= 2 AND trade_rate >= 1"
-- confirm = "chg_1m >= 1 AND hod_dist_pct >= -0.3"
-- invalid = "hod_dist_pct < -2"
-- expires_s = 180.0
-- text = "new high of the day"
-- sound = 1
SELECT symbol, last, chg_pct, vol, rvol_tod, rvol_5m, float_shares, float_rot, spread_pct,
       trade_rate, new_highs_today
FROM market
WHERE new_hod AND last BETWEEN 1 AND 20 AND float_shares <= 50_000_000 AND chg_pct >= 5
  AND rvol_tod >= 3 AND rvol_5m >= 2 AND trade_rate >= 1
