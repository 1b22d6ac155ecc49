-- title = "Top losers"
-- doc = "Down 3 % or more from the previous close on 200,000 shares."
-- number = 3
SELECT * FROM market
WHERE chg_pct <= -3 AND vol >= 200_000
ORDER BY chg_pct LIMIT 100
