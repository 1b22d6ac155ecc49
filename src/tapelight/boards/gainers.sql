-- title = "Top gainers"
-- doc = "Up 3 % or more from the previous close on 200,000 shares."
-- number = 2
SELECT * FROM market
WHERE chg_pct >= 3 AND vol >= 200_000
ORDER BY chg_pct DESC LIMIT 100
