"""Tier 3: options, portfolio risk and correlation. Pure: arrays in, arrays out, NaN unknown."""
