-- title = "Range leaders"
-- doc = "Already through a full average day's range."
-- number = 30
SELECT symbol, last, atr_used, atr_pct, range_pos, chg_pct, vol, rvol_tod, hod_dist_pct,
       lod_dist_pct, spread_pct, stale
FROM market
WHERE atr_used >= 1 AND vol >= 100_000
ORDER BY atr_used DESC LIMIT 100
