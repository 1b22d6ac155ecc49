-- title = "Running up"
-- kind = "events"
-- doc = "A one-minute rise beyond the ladder for its price, on twice the usual minute."
-- number = 7
-- gate = "type IN ('CS','ADR') AND last >= 0.10 AND (spread_pct IS NULL OR spread_pct <= 1.5) AND NOT stale"
-- cooldown_s = 300.0
-- text = "running up"
-- sound = 2
SELECT symbol, last, chg_1m, chg_pct, vol_1m, mean20_1m, vol, rvol_5m, trade_rate, spread_pct
FROM market
WHERE chg_1m >= CASE WHEN last < 1 THEN 10 WHEN last < 2 THEN 8 WHEN last < 4 THEN 6
                     WHEN last < 8 THEN 4 WHEN last < 10 THEN 2 ELSE 1 END
  AND vol_1m > greatest(1_000, 2 * mean20_1m)
  AND (secs_since_resume IS NULL OR secs_since_resume >= 60)
