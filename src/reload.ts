import { statSync } from 'node:fs';
import type { Services } from './core/services.ts';

/** Something made of files, which can be made anew while it is in use. */
export interface Reloadable {
  /** As logs and metrics name it. */
  readonly name: string;
  /** Their paths now: a folder may have gained some. */
  files(): readonly string[];
  /** Throws when the files cannot be used; then what was in use stays. */
  reload(): void;
}

const lookEveryMs = 2000;

/**
 * Takes changed files into use, and all of them on SIGHUP. The files are looked at, not watched: mounted secrets are
 * exchanged by renaming a link, which watching a file does not see.
 */
export function reloadOnChange(all: readonly Reloadable[], services: Services): { stop(): void } {
  const seen = new Map(all.map(each => [each, stateOf(each)]));
  const look = (always: boolean): void => {
    for (const each of all) {
      const state = stateOf(each);
      if (!always && state === seen.get(each)) continue;
      seen.set(each, state);
      reload(each, services);
    }
  };
  const timer = setInterval(look, lookEveryMs, false);
  const onSignal = () => look(true);
  process.on('SIGHUP', onSignal);
  return {
    stop() {
      clearInterval(timer);
      process.off('SIGHUP', onSignal);
    },
  };
}

function reload({ name, reload: take }: Reloadable, { log, metrics }: Services): void {
  try {
    take();
    metrics.reloads.inc({ name, outcome: 'done' });
    log.info({ reloaded: name }, 'changed files were taken into use');
  } catch (error) {
    metrics.reloads.inc({ name, outcome: 'refused' });
    log.error({ err: error, reloaded: name }, 'changed files cannot be used; those from before stay in use');
  }
}

/** Changes when a file is written, exchanged, added or removed. */
function stateOf(each: Reloadable): string {
  try {
    return each
      .files()
      .map(file => {
        const { mtimeMs, size, ino } = statSync(file, { throwIfNoEntry: false }) ?? {};
        return [file, mtimeMs, size, ino].join();
      })
      .join('\n');
  } catch (error) {
    // A folder that cannot be listed is a change as well: reloading says what is wrong with it.
    return String(error);
  }
}
