-- title = "Low-float movers"
-- doc = "Float up to 20 million, up 10 %, a quarter of the float traded."
-- number = 13
SELECT symbol, last, chg_pct, float_shares, float_rot, float_asof, vol, rvol_tod, rvol_5m,
       spread_pct, trade_rate, hod_dist_pct, vwap_dist_pct, stale
FROM market
WHERE float_shares <= 20_000_000 AND chg_pct >= 10 AND float_rot >= 0.25
ORDER BY float_rot DESC LIMIT 100
