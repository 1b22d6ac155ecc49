-- title = "Gappers, all day"
-- doc = "Opened (or indicated) 4 % or more away from the previous close."
-- number = 27
SELECT symbol, last, gap_pct, chg_pct, chg_open_pct, vol, rvol_tod, float_shares, hod_dist_pct,
       vwap_dist_pct, spread_pct, trade_rate, ssr, stale
FROM market
WHERE abs(gap_pct) >= 4
ORDER BY gap_pct DESC LIMIT 100
