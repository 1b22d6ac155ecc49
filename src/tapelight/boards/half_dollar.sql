-- title = "Half dollar"
-- kind = "events"
-- doc = "Has come up through a half dollar in the last half minute, with volume behind it."
-- number = 29.43
-- phases = ["regular"]
-- cooldown_s = 900.0
-- text = "through a half dollar"
SELECT symbol, last, chg_30s, chg_pct, vol_1m, vol, rvol_5m, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last >= floor(last / (1 + chg_30s / 100) + 0.5001) + 0.5
  AND last BETWEEN 1 AND 20 AND rvol_5m >= 2 AND rvol_tod >= 2 AND trade_rate >= 1
