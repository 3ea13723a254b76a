import { expect } from 'chai';
import { rotateUnderLoad } from './rotation.ts';

/** At 200 requests a second, and longer: `npm run soak:rotation`. */
describe('two nodes under signed calls, while all that proves who is who is exchanged', function () {
  this.timeout(120_000);

  it('fail no call, and refuse the first one after a revocation, on both', async () => {
    const { failed, rotated, sent, afterRevocation } = await rotateUnderLoad(40, 1000);
    expect(failed).to.deep.equal([]);
    expect(rotated).to.deep.equal([
      'server certificate',
      'bundle of authorities, the new one added',
      'partner certificate',
      'API key',
      'bundle of authorities, the old one taken out',
    ]);
    expect(sent).to.be.greaterThan(200);
    expect(afterRevocation).to.deep.equal({
      'node 1 rest': 'certificate_invalid',
      'node 1 soap': 'FailedCheck',
      'node 2 rest': 'certificate_invalid',
      'node 2 soap': 'FailedCheck',
    });
  });
});
