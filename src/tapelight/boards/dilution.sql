-- title = "Dilution filings"
-- doc = "Filed an S-1, S-3, 424B, F-1 or F-3 in the last day: new shares may be sold into a move."
-- number = 19.5
SELECT symbol, filing, dilution_age_min, headline, last, chg_pct, chg_15m, rvol_5m, vol,
       float_shares, mcap, spread_pct, trade_rate, halted, ssr, stale, provisional
FROM market
WHERE dilution_age_min <= 1440
ORDER BY dilution_age_min LIMIT 50
