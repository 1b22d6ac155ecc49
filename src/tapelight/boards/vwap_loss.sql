-- title = "VWAP loss"
-- kind = "events"
-- doc = "Was above the day's VWAP a minute ago and trades below it, in a stock that is up."
-- number = 29.3
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "lost VWAP"
SELECT symbol, last, vwap, vwap_dist_pct, chg_1m, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE vwap_dist_pct < -0.1 AND last / (1 + chg_1m / 100) > vwap AND chg_pct >= 3 AND rvol_tod >= 2
