-- title = "Day-2 continuation"
-- doc = "Up 15 % yesterday on three times its volume, and higher today."
-- number = 22
SELECT symbol, last, chg_pct, prev_chg_pct, prev_vol, adv20, vol, rvol_tod, pdh_dist_pct,
       float_shares, spread_pct, trade_rate, stale
FROM market
WHERE prev_chg_pct >= 15 AND prev_vol >= 3 * adv20 AND chg_pct > 0
ORDER BY chg_pct DESC LIMIT 100
