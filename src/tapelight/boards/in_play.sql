-- title = "In play"
-- doc = "The rows of tier 2, whose indicators and candles are followed, and why each is there."
-- gate = "none"
-- number = 30
SELECT symbol, tier_why, last, chg_pct, gap_pct, chg_5m, rvol_tod, rvol_5m, trade_rate, vol, halted
FROM market
WHERE tier >= 2
ORDER BY dollar_vol DESC LIMIT 200
