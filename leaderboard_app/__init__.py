"""The leaderboard: reads results, never measures. `panglot board` opens it."""
