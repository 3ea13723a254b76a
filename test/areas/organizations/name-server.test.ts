import { Resolver } from 'node:dns/promises';
import { expect } from 'chai';
import dns2 from 'dns2';
import { type Kit, startKit } from '../../kit/app.ts';

/** A name server of our own on loopback: the question leaves over UDP, as in production. */
describe('VerifyDomain, asking a real name server', () => {
  let kit: Kit;
  let server: ReturnType<typeof dns2.createServer>;
  const texts = new Map<string, string[]>();

  before(async () => {
    server = dns2.createServer({
      udp: true,
      handle(request, send) {
        const response = dns2.Packet.createResponseFromRequest(request);
        const [question] = request.questions as { name: string; type: number }[];
        const { TYPE, CLASS } = dns2.Packet;
        for (const data of question!.type === TYPE.TXT ? (texts.get(question!.name.toLowerCase()) ?? []) : []) {
          const record = { name: question!.name, type: TYPE.TXT, class: CLASS.IN, ttl: 1, data };
          response.answers.push(record as (typeof response.answers)[number]);
        }
        send(response);
      },
    });
    const { udp } = (await server.listen({ udp: { port: 0, address: '127.0.0.1' } })) as { udp: { port: number } };
    const resolver = new Resolver({ timeout: 1000, tries: 1 });
    resolver.setServers([`127.0.0.1:${udp.port}`]);
    kit = await startKit({ resolver });
  });
  after(async () => {
    await kit.close();
    await server.close();
  });

  it('verifies a domain by its TXT record, and not before the record is there [BAS-065]', async () => {
    const path = `/v3/organizations/${kit.tenant.id}/domains`;
    const { body: added } = await kit.rest.call('POST', path, { domain: 'Clinic.Example' });
    expect(added.status).to.equal('pending');
    const verify = () => kit.rest.call('POST', `${path}/${added.domain_id}/verify`);
    expect((await verify()).body.status).to.equal('pending');
    const record = added.dns_records.find((each: { value: string }) => each.value.startsWith('bastion-verify='));
    texts.set('clinic.example', ['v=spf1 -all', record.value]);
    expect((await verify()).body.status).to.equal('verified');
  });
});
