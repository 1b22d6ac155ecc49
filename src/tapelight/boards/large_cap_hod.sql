-- title = "Large-cap HOD"
-- kind = "events"
-- doc = "A new regular-session high in a company above two billion."
-- number = 6
-- phases = ["regular"]
-- cooldown_s = 60.0
-- rearm_pct = 0.5
-- text = "new session high"
SELECT symbol, last, chg_open_pct, chg_pct, vol, rvol_tod, mcap, spread_pct, trade_rate
FROM market
WHERE new_high AND mcap >= 2_000_000_000 AND chg_open_pct >= 2 AND rvol_tod >= 2 AND vol >= 1_000_000
