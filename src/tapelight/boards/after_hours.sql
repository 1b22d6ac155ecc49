-- title = "After-hours movers"
-- doc = "3 % away from the regular close on 50,000 shares since."
-- number = 20
-- phases = ["post"]
SELECT symbol, last, post_chg_pct, post_vol, chg_pct, close_rth, spread_pct, trade_rate, mcap, stale
FROM market
WHERE abs(post_chg_pct) >= 3 AND post_vol >= 50_000
ORDER BY post_chg_pct DESC LIMIT 100
