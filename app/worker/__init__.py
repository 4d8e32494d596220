"""The worker: runs the jobs of the queue, the SQL ones by one call, training in a process."""
