-- title = "Rvol leaders"
-- doc = "Three times the volume that is usual by this time of day."
-- number = 9
SELECT symbol, last, rvol_tod, chg_pct, vol, dollar_vol, rvol_5m, rvol_day, rvol_src, float_shares,
       float_rot, spread_pct, trade_rate, hod_dist_pct, stale
FROM market
WHERE rvol_tod >= 3 AND dollar_vol >= 1_000_000 AND NOT rvol_thin
ORDER BY rvol_tod DESC LIMIT 100
