-- title = "Resume"
-- kind = "events"
-- doc = "Trading resumed after a halt."
-- number = 11.2
-- gate = "none"
-- cooldown_s = 60.0
-- text = "trading resumes"
SELECT symbol, last, chg_pct, secs_since_resume, halts_today, vol, luld_up, luld_dn, headline
FROM market
WHERE secs_since_resume <= 5
