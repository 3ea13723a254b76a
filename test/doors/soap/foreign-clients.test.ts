import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyEnvelope } from '../../../src/doors/soap/verify.ts';
import { refusalFrom } from '../../kit/refusal.ts';
import { areaNamespace } from '../../kit/soap-signing.ts';

const folder = join(import.meta.dirname, '../../samples/foreign-clients');

/** Messages as other stacks signed them, all made at this time; each brings its own certificate. */
const receivedAt = new Date('2026-11-21T10:01:00Z');

const verify = (octets: Buffer) =>
  verifyEnvelope(
    { octets, charset: undefined },
    {
      receivedAt,
      contextNamespace: areaNamespace,
      resolve: async reference => {
        if (reference.kind !== 'certificate') return undefined;
        return { certificate: reference.certificate, publicKey: reference.certificate.publicKey };
      },
    },
  );

describe('recorded messages of foreign clients', () => {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.xml'))) {
    const octets = readFileSync(join(folder, file));

    it(`${file} is accepted`, async () => {
      expect((await verify(octets)).operation.local).to.equal('GetOrganization');
    });

    it(`${file} is refused with another organisation in it`, async () => {
      const changed = octets.toString().replace('org_1', 'org_2');
      expect((await refusalFrom(verify(Buffer.from(changed)))).code).to.equal('signature_invalid');
    });
  }
});
