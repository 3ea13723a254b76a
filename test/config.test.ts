import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openCore } from '../src/app.ts';
import { type ReadyConfig, readConfig } from '../src/config.ts';
import { developmentFiles } from '../src/development/files.ts';
import { certificates } from './kit/certificates.ts';
import { rejection } from './kit/rejection.ts';

describe('the configuration', () => {
  let folder: string;
  let complete: Record<string, string>;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-config-'));
    const set = await certificates();
    const file = (name: string, content: string) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    complete = {
      BASTION_ENV: 'production',
      BASTION_DATA_DIR: folder,
      BASTION_MASTER_KEYS: `1:${Buffer.alloc(32, 1).toString('base64')}`,
      BASTION_TLS_CERTIFICATE: file('tls.pem', set.server.certificate),
      BASTION_TLS_KEY: file('tls.key', set.server.key),
      BASTION_SIGNING_CERTIFICATE: file('signing.pem', set.signing.certificate),
      BASTION_SIGNING_KEY: file('signing.key', set.signing.key),
      BASTION_APPROVED_CAS: file('cas.pem', set.ca),
      BASTION_RELAY_URL: 'smtp://bastion:p%40ss@relay.example:2525',
      BASTION_PUBLIC_URL: 'https://api.example/',
      BASTION_SOAP_URL: 'https://extranet.example',
    };
  });
  after(() => rmSync(folder, { recursive: true }));

  it('of production is complete or refused, variable by variable', () => {
    expect(readConfig(complete).relay).to.deep.equal({
      host: 'relay.example',
      port: 2525,
      implicitTls: false,
      user: 'bastion',
      password: 'p@ss',
    });
    expect(readConfig(complete).publicUrl).to.equal('https://api.example');
    for (const name of Object.keys(complete).filter(each => !/ENV|DATA_DIR|_KEY$|_CERTIFICATE$/.test(each))) {
      expect(() => readConfig({ ...complete, [name]: undefined }), name).to.throw(name);
    }
    const { BASTION_TLS_CERTIFICATE, BASTION_TLS_KEY, ...noTls } = complete;
    expect(() => readConfig(noTls)).to.throw('BASTION_TLS_CERTIFICATE');
    expect(() => readConfig({ ...noTls, BASTION_TLS_KEY })).to.throw('go together');
    expect(BASTION_TLS_CERTIFICATE).to.be.a('string');
  });

  it('names every wrong variable and what is wrong with it', () => {
    const wrong = {
      BASTION_REST_PORT: '99999',
      BASTION_APPROVAL_WINDOW: '2',
      BASTION_PUBLIC_URL: 'http://plain.example',
    };
    for (const name of Object.keys(wrong)) expect(() => readConfig(wrong)).to.throw(name);
  });

  it('of production takes no certificate of a development authority', async () => {
    const { server } = await developmentFiles(join(folder, 'dev'));
    const config = { ...readConfig(complete), databaseUrl: 'sqlite::memory:' } as ReadyConfig;
    const refusal = await rejection(openCore({ ...config, tls: server }));
    expect(String(refusal)).to.include('development authority');
    await (await openCore(config)).close();
  });
});
