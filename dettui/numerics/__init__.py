"""Pure maths on arrays: smoothing, trend, oscillation, noise, changepoint, decimation."""
