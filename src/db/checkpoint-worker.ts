import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

/** The thread behind src/db/checkpoints: a connection of its own that moves what is in the write-ahead log into the file. */
const database = new DatabaseSync(workerData as string, { timeout: 0 });
database.exec('pragma synchronous = full');

parentPort!.on('message', () => {
  // Passive: it waits for nobody and nobody for it; what it could not move is moved the next time.
  database.exec('pragma wal_checkpoint(passive)');
  parentPort!.postMessage('done');
});
