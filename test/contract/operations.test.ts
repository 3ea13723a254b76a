import { expect } from 'chai';
import { bothDoors, done, pattern, type TestedDoor } from '../areas/through.ts';
import type { Kit } from '../kit/app.ts';
import { type Case, type Party, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';

/** Two organisations live the same life, one over REST, one over SOAP, so that even what has gathered must be equal. */
describe('every operation answers alike through both doors', () => {
  let kit: Kit;
  const twins = new Map<TestedDoor, Party>();

  before(async () => {
    kit = await startContractKit();
    for (const door of bothDoors) twins.set(door, await party(kit, 'Twin', `${door}.test`));
  });
  after(() => kit.close());

  async function live(door: TestedDoor, { op, path, input, varying = [] }: Case): Promise<unknown> {
    const twin = twins.get(door)!;
    const output = await done(door, twin, op, { ...(await path?.(twin)), ...(await input?.(twin)) });
    return pattern(without(varying, output));
  }

  for (const each of cases) {
    it(each.op.soap, async () => {
      const rest = await live('rest', each);
      expect(rest).to.be.an('object').that.is.not.empty;
      expect(await live('soap', each)).to.deep.equal(rest);
    });
  }
});

/** Their values stay out of the comparison; that they are there stays in it. */
const without = (varying: readonly string[], output: unknown): unknown =>
  JSON.parse(JSON.stringify(output, (name, value) => (varying.includes(name) ? typeof value : value)));
