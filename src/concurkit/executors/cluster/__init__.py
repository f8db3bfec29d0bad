"""Our processes on the machines of a cluster engine.

The engine brings batches to its own workers and their results home. Beside each of its workers a
`ProcessExecutor` of ours runs them: so a crash or an overdue task costs a process of ours, not the
engine's worker with what others have there, and all that process mode promises holds.
"""
