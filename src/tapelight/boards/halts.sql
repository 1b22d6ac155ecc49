-- title = "Halted"
-- doc = "Halted by a status source; needs a feed that carries halts."
-- number = 11
-- gate = "none"
SELECT symbol, halt_code, halt_time, resume_time, halts_today, last, chg_pct, vol, luld_up, luld_dn
FROM market
WHERE halted
ORDER BY halt_time LIMIT 100
