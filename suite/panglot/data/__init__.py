"""What is asked: tasks, and how each becomes a pool of queries, candidates and judgements."""
