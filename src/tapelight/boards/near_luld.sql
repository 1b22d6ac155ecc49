-- title = "Near LULD"
-- doc = "Within 2 % of a limit band while trading fast."
-- number = 12
-- gate = "none"
-- phases = ["regular"]
SELECT symbol, last, luld_dist_pct, luld_dn, luld_up, limit_s, halt_suspected, chg_pct, chg_1m,
       vol, trade_rate, spread_pct, stale
FROM market
WHERE luld_dist_pct <= 2 AND trade_rate >= 2
ORDER BY luld_dist_pct LIMIT 100
