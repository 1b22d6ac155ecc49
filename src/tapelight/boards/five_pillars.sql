-- title = "Five pillars"
-- doc = "Price, move, relative volume, low float and news: a dot each; an unknown float or news is no fail."
-- number = 12.9
-- gate = "type IN ('CS','ADR') AND (spread_pct IS NULL OR spread_pct <= 1.5) AND NOT stale"
SELECT symbol, last, chg_pct, rvol_day, rvol_tod, float_shares, news_since_close, headline, filing,
       dilution_age_min,
       last BETWEEN 1 AND 20 AS pillar_price,
       chg_pct >= 10 AS pillar_move,
       rvol_day >= 5 OR (rvol_tod >= 5 AND NOT rvol_thin) AS pillar_rvol,
       CASE WHEN float_shares <= 20_000_000 THEN 1 WHEN float_shares > 20_000_000 THEN 0 END
         AS pillar_float,
       CASE WHEN news_since_close >= 1 THEN 1 WHEN news_since_close < 1 THEN 0 END AS pillar_news,
       vol, spread_pct, trade_rate, hod_dist_pct, halted, ssr, stale, provisional
FROM market
WHERE last BETWEEN 1 AND 20 AND chg_pct >= 10
  AND (rvol_day >= 5 OR (rvol_tod >= 5 AND NOT rvol_thin))
  AND (float_shares <= 20_000_000 OR float_shares IS NULL)
  AND (news_since_close >= 1 OR news_since_close IS NULL)
ORDER BY chg_pct DESC LIMIT 50
