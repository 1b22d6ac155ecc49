-- title = "5-min volume surge"
-- kind = "events"
-- doc = "Ten times the usual volume of these five minutes, with a move; large caps five times."
-- number = 10
-- cooldown_s = 300.0
-- text = "volume surge"
SELECT symbol, last, rvol_5m, vol_5m, chg_5m, chg_pct, vol, spread_pct, trade_rate
FROM market
WHERE ((rvol_5m >= 10 AND vol_5m >= 100_000 AND abs(chg_5m) >= 2)
    OR (mcap >= 2_000_000_000 AND rvol_5m >= 5 AND vol_5m >= 500_000 AND abs(chg_5m) >= 1))
  AND (secs_since_resume IS NULL OR secs_since_resume >= 60)
