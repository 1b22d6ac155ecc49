-- title = "52-week highs"
-- kind = "events"
-- doc = "A new 52-week high on more than the usual volume."
-- number = 14
-- cooldown_s = 600.0
-- text = "new 52-week high"
SELECT symbol, last, w52_high, chg_pct, vol, rvol_tod, mcap, spread_pct
FROM market
WHERE new_w52_high AND rvol_tod >= 1.5
