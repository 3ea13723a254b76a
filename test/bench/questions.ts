/** What a server under load tells the process that loads it; left alone, it ends. */
export function answerQuestions(stop: () => Promise<unknown> | undefined): void {
  process.on('message', message => {
    if (message === 'cpu') process.send!(process.cpuUsage());
    if (message === 'memory') process.send!(process.memoryUsage());
    if (message === 'stop') void Promise.resolve(stop()).then(() => process.exit());
  });
  process.once('disconnect', () => process.exit());
}
