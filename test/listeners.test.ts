import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { startApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { development } from '../src/development/stand-ins.ts';

describe('A start that fails half-way', () => {
  it('says which port is taken and which variable chooses another one, and leaves nothing open', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bastion-listeners-'));
    const holder = createServer();
    await new Promise<void>(resolve => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const free = { BASTION_REST_PORT: '0', BASTION_HEALTH_PORT: '0', BASTION_LOG_LEVEL: 'silent' };
    const standIns = await development(
      readConfig({ ...free, BASTION_DATA_DIR: folder, BASTION_SOAP_PORT: String(port) }),
    );
    const before = listening();
    try {
      const failure = await startApp(standIns.config).catch((error: Error) => error);
      expect(failure).to.be.an('error').with.property('message').that.includes(`port ${port} on 127.0.0.1 is taken`);
      expect(failure).to.have.property('message').that.includes('BASTION_SOAP_PORT');
      await setTimeout(10);
      expect(listening()).to.equal(before);
    } finally {
      await standIns.close();
      await new Promise(resolve => holder.close(resolve));
      rmSync(folder, { recursive: true });
    }
  });
});

const listening = (): number => process.getActiveResourcesInfo().filter(name => name === 'TCPServerWrap').length;
