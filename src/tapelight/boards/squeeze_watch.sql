-- title = "Squeeze watch"
-- doc = "Bollinger bands inside the Keltner channel for half an hour, as narrow as they have been."
-- number = 18
SELECT symbol, last, squeeze_bars_5m, bb_width_5m, bb_width_pctl_5m, bb_pctb_5m, chg_pct, vol,
       rvol_tod, spread_pct, atr_used, halted, ssr, stale, provisional
FROM market
WHERE squeeze_bars_5m >= 6 AND bb_width_pctl_5m <= 10
ORDER BY bb_width_pctl_5m, squeeze_bars_5m DESC LIMIT 50
