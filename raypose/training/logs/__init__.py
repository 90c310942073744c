"""Where the numbers of a run go while it trains: tables and services."""
