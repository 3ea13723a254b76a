const MiB = 1024 * 1024;

/** The most CPU time that one turn of the event loop took, and the most memory that there was, while something went on. */
export function watch() {
  const start = process.memoryUsage.rss();
  const seen = { longestTurnMs: 0, grownMiB: 0 };
  let last = process.threadCpuUsage();
  let running = true;
  const turn = () => {
    const now = process.threadCpuUsage();
    const ms = (now.user + now.system - last.user - last.system) / 1000;
    last = now;
    seen.longestTurnMs = Math.max(seen.longestTurnMs, ms);
    seen.grownMiB = Math.max(seen.grownMiB, (process.memoryUsage.rss() - start) / MiB);
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () => {
      running = false;
      return seen;
    },
  };
}
