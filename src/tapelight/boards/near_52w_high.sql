-- title = "Near 52-week high"
-- doc = "Within 2 % of the 52-week high on more than the usual volume."
-- number = 32
SELECT symbol, last, w52h_dist_pct, w52_high, chg_pct, vol, rvol_tod, mcap, sector, spread_pct, stale
FROM market
WHERE w52h_dist_pct >= -2 AND rvol_tod >= 1.5 AND vol >= 100_000
ORDER BY w52h_dist_pct DESC LIMIT 100
