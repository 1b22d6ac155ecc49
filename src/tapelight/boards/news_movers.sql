-- title = "News movers"
-- doc = "Moving on news of the last half hour, on more than the usual volume."
-- number = 19
SELECT symbol, news_age_min, headline, headline_tags, filing, dilution_age_min, last, chg_15m, chg_pct, rvol_5m, vol,
       float_shares, spread_pct, trade_rate, halted, ssr, stale, provisional
FROM market
WHERE news_age_min <= 30 AND abs(chg_15m) >= 2 AND rvol_5m >= 3
ORDER BY news_age_min LIMIT 50
