-- title = "52-week lows"
-- kind = "events"
-- doc = "A new 52-week low on more than the usual volume."
-- number = 15
-- cooldown_s = 600.0
-- text = "new 52-week low"
SELECT symbol, last, w52_low, chg_pct, vol, rvol_tod, mcap, spread_pct
FROM market
WHERE new_w52_low AND rvol_tod >= 1.5
