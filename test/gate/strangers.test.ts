import { expect } from 'chai';
import type { Logger } from 'pino';
import { Refusal } from '../../src/core/errors.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import { Strangers } from '../../src/gate/strangers.ts';

describe('refused strangers', () => {
  const start = () => {
    const lines: Record<string, unknown>[] = [];
    const metrics = createMetrics();
    const further: Record<string, unknown>[] = [];
    const log = {
      info: (facts: Record<string, unknown>) => void lines.push(facts),
      debug: (facts: Record<string, unknown>) => void further.push(facts),
    } as unknown as Logger;
    const strangers = new Strangers({ log, metrics });
    const refuse = (code: 'key_invalid' | 'malformed', times: number) => {
      const stranger = { door: 'rest', requestId: 'req_1', address: '192.0.2.1' } as const;
      for (let i = 0; i < times; i++)
        strangers.refused(stranger, new Refusal(code, undefined, { cause: new Error('why') }));
    };
    return { lines, further, metrics, strangers, refuse };
  };

  it('are named one by one while they are few', () => {
    const { lines, strangers, refuse } = start();
    refuse('key_invalid', 10);
    strangers.sumUp();
    expect(lines).to.have.lengthOf(10);
    expect(lines[0]).to.deep.equal({
      door: 'rest',
      requestId: 'req_1',
      address: '192.0.2.1',
      code: 'key_invalid',
      cause: 'why',
    });
  });

  it('are ten lines and a sum a second when they are many, and all are counted', async () => {
    const { lines, further, metrics, refuse } = start();
    refuse('key_invalid', 5000);
    refuse('malformed', 3);
    expect(lines).to.have.lengthOf(10);
    expect(further, 'level debug has the others, too').to.have.lengthOf(4993);
    await new Promise(resolve => setTimeout(resolve, 1100));
    expect(lines).to.have.lengthOf(11);
    expect(lines[10]).to.deep.equal({ further: { key_invalid: 4990, malformed: 3 } });
    const counted = await metrics.registry.metrics();
    expect(counted).to.include('bastion_strangers_refused_total{door="rest",code="key_invalid"} 5000');
    refuse('malformed', 1);
    expect(lines, 'the next second names them again').to.have.lengthOf(12);
  });
});
