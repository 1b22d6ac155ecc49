-- title = "Halt"
-- kind = "events"
-- doc = "A status source says that trading was halted."
-- number = 11.1
-- gate = "none"
-- cooldown_s = 60.0
-- text = "halted"
SELECT symbol, last, chg_pct, halt_code, resume_time, halts_today, vol, luld_up, luld_dn, headline
FROM market
WHERE halted
