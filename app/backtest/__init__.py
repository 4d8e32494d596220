"""The backtest: what lists made at past moments would have been worth, beside plain rules."""
