import { createHash } from 'node:crypto';
import { encodeTime } from 'ulid';
import type { Example } from '../../src/doors/rest/openapi.ts';
import { done } from '../areas/through.ts';
import type { Kit } from '../kit/app.ts';
import { type Case, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';

/** Plays every case in an organisation of its own and keeps what was said, so that no example can be untrue. */
export async function recordExamples(): Promise<Record<string, Example>> {
  const kit = await startContractKit();
  try {
    const examples: [string, Example][] = [];
    for (const each of cases) examples.push([each.op.soap, await record(kit, each)]);
    return Object.fromEntries(examples.sort(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await kit.close();
  }
}

async function record(kit: Kit, { op, path, input }: Case): Promise<Example> {
  // A domain is verified for one organisation only.
  const acme = await party(kit, 'Acme Health', `${op.soap.toLowerCase()}.test`);
  const request = { ...(await path?.(acme)), ...(await input?.(acme)) };
  const answer = await done('rest', acme, op, request);
  const words = new StandIns(op.soap, {
    [acme.domain]: 'acme.example',
    [new URL(kit.responder.url).host]: 'approver.acme.example',
  });
  return { request: words.in(request), answer: words.in(answer) };
}

const day = 86_400_000;
const shownInstant = Date.parse('2026-07-02T09:00:00Z');
const ids = /\b([a-z]+)_[0-9a-hjkmnp-tv-z]{26}\b/g;

/** Replaces what differs from run to run. The same value becomes the same stand-in throughout one example. */
class StandIns {
  readonly #operation: string;
  readonly #names: Record<string, string>;
  readonly #known = new Map<string, string>();
  readonly #now = Date.now();

  constructor(operation: string, names: Record<string, string>) {
    this.#operation = operation;
    this.#names = names;
  }

  /** Long lists are shown by their first items. */
  in<T>(value: T): T {
    return JSON.parse(
      JSON.stringify(value, (_, each) => {
        if (Array.isArray(each)) return each.slice(0, 4);
        return typeof each === 'string' ? this.#text(each) : each;
      }),
    );
  }

  #text(text: string): string {
    return Object.entries(this.#names)
      .reduce((named, [name, shown]) => named.replaceAll(name, shown), text)
      .replaceAll('127.0.0.1', '203.0.113.7')
      .replaceAll(/(?<=-----BEGIN [A-Z ]+-----\n)[^-]+(?=-----END)/g, 'MII…\n')
      .replaceAll(ids, (id, prefix) => `${prefix}_${this.#id(id)}`)
      .replaceAll(/\bsk_live_[\w-]+/g, 'sk_live_…')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, instant => this.#instant(instant))
      .replaceAll(/\b\d{13}\.[\w.-]+/g, challenge => this.#random(challenge))
      .replaceAll(/[\w+/-]{32,}={0,2}/g, run => (run.search(ids) >= 0 ? run : this.#random(run)));
  }

  #id = (id: string): string => encodeTime(shownInstant).toLowerCase() + this.#token(id, 16);

  /** Moved as a whole, and rounded: a run takes seconds, and certificates may be as old as the process. */
  #instant(instant: string): string {
    const distance = Date.parse(instant) - this.#now;
    // What a case set itself lies far off and stays.
    if (Math.abs(distance) > 1000 * day) return instant;
    const grain = Math.abs(distance) < 1_800_000 ? 60_000 : 3_600_000;
    const moved = new Date(shownInstant + Math.round(distance / grain) * grain);
    return moved.toISOString().replace('.000Z', 'Z');
  }

  /** Digests keep their length; keys, signatures and tokens would fill the page. */
  #random(run: string): string {
    if (/^[0-9a-f]+$/i.test(run))
      return createHash('sha512').update(this.#token(run, 16)).digest('hex').slice(0, run.length);
    return `${run.startsWith('MII') ? 'MII' : this.#token(run, 8)}…`;
  }

  #token(value: string, length: number): string {
    if (!this.#known.has(value)) this.#known.set(value, `${this.#operation} ${this.#known.size}`);
    const octets = createHash('sha256').update(this.#known.get(value)!).digest().subarray(0, length);
    return [...octets].map(octet => '0123456789abcdefghjkmnpqrstvwxyz'[octet % 32]).join('');
  }
}
