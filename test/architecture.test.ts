import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { expect } from 'chai';

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');

/** Left may import right, never the other way round. Places that stand in one row do not know each other. */
const rows = [
  ['cli'],
  ['main'],
  ['development'],
  ['app'],
  ['doors'],
  ['gate', 'run'],
  ['areas'],
  ['mail'],
  ['db'],
  ['core'],
];
const rank = new Map(rows.flatMap((row, index) => row.map(place => [place, index] as const)));
/** Folders with no knowledge of the rest. */
const islands = ['jobs', 'dlp'];

const sourcesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .map(file => join(folder, file));

const files = sourcesOf(src);
const everywhere = [...files, ...['demo', 'test'].flatMap(folder => sourcesOf(join(root, folder)))];

/** `src/areas/access/keys.ts` -> `areas`; `src/app.ts`, and the files beside it that only the top uses, -> `app`. */
function placeOf(file: string): string {
  const [first] = relative(src, file).split('/');
  const name = first!.replace(/\.ts$/, '');
  return first!.endsWith('.ts') && !['main.ts', 'cli.ts'].includes(first!) ? 'app' : name;
}

const innerPlace = (file: string): string => relative(src, file).split('/').slice(0, 2).join('/');

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(match => resolve(dirname(file), match[1]!));
}

describe('the house', () => {
  it('lets imports point one way only', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const from = placeOf(file);
      for (const target of imports(file)) {
        const to = placeOf(target);
        const arrow = `${relative(root, file)} -> ${relative(root, target)}`;
        if (!existsSync(target)) wrong.push(`${arrow}: no such file`);
        else if (from === to) continue;
        else if (islands.includes(from)) wrong.push(`${arrow}: ${from}/ imports nothing of ours`);
        else if (islands.includes(to)) continue;
        else if (!rank.has(from) || !rank.has(to)) wrong.push(`${arrow}: a place without a rank`);
        else if (rank.get(to)! <= rank.get(from)!) wrong.push(arrow);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('keeps doors apart', () => {
    const wrong = files
      .filter(file => placeOf(file) === 'doors')
      .flatMap(file =>
        imports(file)
          .filter(target => placeOf(target) === 'doors' && innerPlace(target) !== innerPlace(file))
          .map(target => `${relative(root, file)} -> ${relative(root, target)}`),
      );
    expect(wrong).to.deep.equal([]);
  });

  it('has no cycles between areas', () => {
    const edges = new Map<string, Set<string>>();
    for (const file of files.filter(file => placeOf(file) === 'areas')) {
      const from = innerPlace(file);
      for (const target of imports(file).filter(target => placeOf(target) === 'areas')) {
        if (innerPlace(target) !== from) edges.set(from, (edges.get(from) ?? new Set()).add(innerPlace(target)));
      }
    }
    const reaches = (from: string, goal: string, seen = new Set<string>()): boolean =>
      [...(edges.get(from) ?? [])].some(
        next => next === goal || (!seen.has(next) && reaches(next, goal, seen.add(next))),
      );
    expect([...edges.keys()].filter(place => reaches(place, place))).to.deep.equal([]);
  });

  it('holds no file over 500 lines', () => {
    const long = everywhere.filter(file => readFileSync(file, 'utf8').split('\n').length > 500);
    expect(long.map(file => relative(root, file))).to.deep.equal([]);
  });

  it('names every file after what it is', () => {
    const vague = /^(utils?|helpers?|common|shared|types|index)\.ts$/;
    expect(everywhere.filter(file => vague.test(basename(file)))).to.deep.equal([]);
  });

  it('uses no decorators', () => {
    const decorated = files.filter(file => /^\s*@[A-Z]\w*\(/m.test(readFileSync(file, 'utf8')));
    expect(decorated).to.deep.equal([]);
  });

  it('reads the environment in one place', () => {
    const readers = files.filter(file => /process\.env\b/.test(readFileSync(file, 'utf8')));
    expect(
      readers.map(file => relative(src, file)).filter(file => !['main.ts', 'cli.ts', 'config.ts'].includes(file)),
    ).to.deep.equal([]);
  });
});
