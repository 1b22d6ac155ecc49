-- title = "Short-sale restricted"
-- doc = "Down 10 % from the previous close today or yesterday (estimated)."
-- number = 33
SELECT symbol, last, chg_pct, vol, rvol_tod, low, lod_dist_pct, vwap_dist_pct, spread_pct, stale
FROM market
WHERE ssr AND vol >= 100_000
ORDER BY chg_pct LIMIT 100
