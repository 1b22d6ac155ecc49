-- title = "Pre-market gappers"
-- doc = "Gaps of 4 % or more on real pre-market volume, 04:00 to the bell."
-- number = 1
-- phases = ["pre"]
SELECT symbol, last, gap_pct, pm_vol, rvol_tod, float_shares, float_rot, spread_pct, trade_rate,
       pm_high, pmh_dist_pct, mcap, sector, stale
FROM market
WHERE abs(gap_pct) >= 4 AND pm_vol >= 50_000 AND last >= 1
ORDER BY gap_pct DESC LIMIT 100
