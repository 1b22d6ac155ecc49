-- title = "Halts & resumes"
-- doc = "Halted by a status source, resumed in the last five minutes, or likely halted by its silence."
-- number = 11
-- gate = "none"
SELECT symbol, halted, halt_suspected, halt_code, halt_time, resume_time, secs_since_resume,
       halts_today, last, chg_pct, vol, luld_up, luld_dn, headline, filing
FROM market
WHERE halted OR halt_suspected OR secs_since_resume <= 300
ORDER BY halt_time LIMIT 100
