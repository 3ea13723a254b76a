import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Pump } from '../../src/jobs/pump.ts';

describe('the wake-up channel', () => {
  const pumps: Pump[] = [];
  afterEach(() => Promise.all(pumps.splice(0).map(pump => pump.disconnect())));

  function newPump(dueNames: () => Promise<string[]>, tick = 10_000): Pump {
    const pump = new Pump({ dueNames }, tick);
    pumps.push(pump);
    return pump;
  }

  it('tells each due name, once per look', async () => {
    const heard: string[] = [];
    const pump = newPump(async () => ['a', 'b']);
    pump.subscribe(({ jobName }) => void heard.push(jobName));
    await pump.connect();
    await sleep(5);
    expect(heard).to.deep.equal(['a', 'b']);
  });

  it('looks once more for any number of kicks during a look', async () => {
    let looks = 0;
    const pump = newPump(() => {
      looks++;
      return sleep(20, []);
    });
    await pump.connect();
    for (let i = 0; i < 50; i++) pump.kick();
    await sleep(80);
    expect(looks).to.equal(2);
  });

  it('looks at every tick, but seldom while the database is away, and at its pace again afterwards', async () => {
    let looks = 0;
    let away = false;
    const errors: Error[] = [];
    const pump = newPump(async () => {
      looks++;
      if (away) throw new Error('away');
      return [];
    }, 10);
    pump.on('error', error => errors.push(error));
    const looksIn = async (ms: number) => {
      const before = looks;
      await sleep(ms);
      return looks - before;
    };
    await pump.connect();
    expect(await looksIn(150)).to.be.greaterThan(5);
    away = true;
    await sleep(20);
    expect(await looksIn(150)).to.be.within(1, 2);
    expect([errors[0]?.message, pump.state]).to.deep.equal(['away', 'reconnecting']);
    away = false;
    await sleep(110);
    expect(pump.state).to.equal('connected');
    expect(await looksIn(150)).to.be.greaterThan(5);
  });

  it('is silent once it is disconnected, also when a look was under way', async () => {
    const heard: string[] = [];
    const pump = newPump(() => sleep(20, ['late']));
    pump.subscribe(({ jobName }) => void heard.push(jobName));
    await pump.connect();
    await pump.disconnect();
    pump.kick();
    await sleep(30);
    expect({ heard, state: pump.state }).to.deep.equal({ heard: [], state: 'disconnected' });
  });
});
