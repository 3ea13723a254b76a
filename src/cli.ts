import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Core } from './app.ts';
import { areas } from './areas.ts';
import { certsCommand } from './certs-command.ts';
import { parseCertificates, thumbprintOf } from './core/certificates.ts';
import { verifyDetached } from './core/detached-signature.ts';
import { Refusal } from './core/errors.ts';
import type { Checkpoint } from './db/audit-chain.ts';
import { type CheckpointVerifiers, verifyAudit } from './db/audit-verify.ts';
import { openApi } from './doors/rest/openapi.ts';
import { zip } from './doors/soap/archive.ts';
import { generate, placeholderUrl } from './doors/soap/wsdl.ts';
import { openForCommand, serve } from './main.ts';
import { allowAddress, createKey, createOrganization, registerApprovalWebhook } from './operator.ts';
import { sealedValues, startResealing } from './resealing.ts';
import { checkWsdl, writeWsdl } from './wsdl-files.ts';

const program = new Command('bastion')
  .description('Email-security and compliance integration server')
  .showHelpAfterError();

program.command('serve').description('start every door').action(serve);

program
  .command('migrate')
  .description('bring the database up to date; several nodes may do so at once')
  .action(() => withCore(async () => console.log('the database is up to date')));

const organization = program.command('organization').description('organisations');
organization
  .command('create')
  .requiredOption('--name <name>')
  .option('--parent <org_id>', 'the organisation above it; a root without')
  .option('--plan <plan>')
  .action(options =>
    withCore(async core => {
      const { name, parent: parentId, plan } = options;
      console.log((await createOrganization(core, { name, parentId, plan })).id);
    }),
  );

const key = program.command('key').description('API keys');
key
  .command('create')
  .requiredOption('--organization <org_id>')
  .requiredOption('--name <name>')
  .option('--scopes <scopes>', 'comma separated; every scope when absent', list)
  .action(({ organization: id, name, scopes }) =>
    withCore(async core => {
      const made = await createKey(core, id, { name, scopes });
      console.log(`${made.id}\n${made.secret}`);
      console.error('The secret is shown this once.');
    }),
  );

const masterKey = program.command('master-key').description('the keys that secrets at rest are sealed under');
masterKey
  .command('status')
  .description('which master key writes, which ones open, and what is sealed under each: it reads every sealed value')
  .action(() => withCore(async core => console.log(JSON.stringify(await sealedValues(core.parts), undefined, 2))));
masterKey
  .command('reseal')
  .description('have the running nodes seal everything under the master key that writes')
  .action(() =>
    withCore(async core => {
      await startResealing(core.parts);
      console.log('the nodes are at work; bastion master-key status shows how far they are');
    }),
  );

program.addCommand(certsCommand(withCore));

const address = program.command('address').description('source addresses');
address
  .command('allow')
  .requiredOption('--organization <org_id>')
  .requiredOption('--block <cidr>', 'an IP address or a CIDR block')
  .option('--label <text>')
  .action(({ organization: id, block, label }) =>
    withCore(async core => console.log(await allowAddress(core, id, { block, label }))),
  );

const webhook = program.command('approval-webhook').description('approval webhooks');
webhook
  .command('register')
  .requiredOption('--organization <org_id>')
  .requiredOption('--url <url>', 'https; it is challenged at once')
  .option('--allow-private <cidrs>', 'private blocks it may stand in, comma separated', list)
  .action(({ organization: id, url, allowPrivate }) =>
    withCore(async core => console.log(await registerApprovalWebhook(core, id, { url, allowPrivate }))),
  );

const audit = program.command('audit').description('the audit trail');
audit
  .command('verify')
  .description('prove that no row was changed, removed or cut off')
  .option('--anchor <file>', 'checkpoints kept elsewhere, one JSON a line, as the log has them')
  .option('--certificates <pem>', 'the signing certificates from before the present one')
  .action(({ anchor, certificates }) =>
    withCore(async core => {
      const signers = [
        new X509Certificate(core.services.identity.certificatePem),
        ...(certificates === undefined ? [] : readCertificates(certificates)),
      ];
      const report = await verifyAudit(core.db, verifiersOf(signers), anchor === undefined ? [] : readAnchors(anchor));
      console.log(JSON.stringify(report, undefined, 2));
      if (!report.intact) process.exitCode = 1;
    }),
  );

program
  .command('wsdl')
  .description('write or check wsdl/, which is generated from the operations')
  .option('--check', 'fail when it is not what the operations say')
  .option('--write', 'write it; so does no option at all')
  .option('--zip <file>', 'write it as one archive, for partners, with the addresses of --url')
  .option('--url <url>', 'address of the SOAP door', placeholderUrl)
  .action(({ check, zip: file, url }) => {
    if (file) writeFileSync(file, zip(generate(areas, url)));
    else if (check) checkWsdl(areas);
    else writeWsdl(areas);
  });

program
  .command('openapi')
  .description('print the OpenAPI 3.1 document')
  .option('--url <url>', 'address of the REST door', 'https://bastion.example')
  .option('--file <file>', 'write it there instead')
  .action(({ url, file }) => {
    const text = `${JSON.stringify(openApi(areas, url), undefined, 2)}\n`;
    if (file) writeFileSync(file, text);
    else process.stdout.write(text);
  });

const verifiersOf = (signers: readonly X509Certificate[]): CheckpointVerifiers =>
  new Map(
    signers.map(signer => {
      const { publicKey } = signer;
      return [thumbprintOf(signer), (statement, signature) => verifyDetached(publicKey, statement, signature)];
    }),
  );

function readCertificates(file: string): X509Certificate[] {
  const certificates = parseCertificates(readFileSync(file, 'utf8'));
  if (!certificates) throw new Error(`${file} holds no readable certificate`);
  return certificates;
}

/** Checkpoints as the log has them, whole log lines or the checkpoint alone. */
function readAnchors(file: string): Checkpoint[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line.includes('bastion.audit.checkpoint'));
  return lines.map(line => {
    const parsed = JSON.parse(line) as Checkpoint | { checkpoint: Checkpoint };
    return 'checkpoint' in parsed ? parsed.checkpoint : parsed;
  });
}

function list(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(Boolean);
}

async function withCore(work: (core: Core) => Promise<void>): Promise<void> {
  const core = await openForCommand();
  try {
    await work(core);
  } finally {
    await core.close();
  }
}

await program.parseAsync().catch((error: Error) => {
  // Commands talk to operators: the reason, not the stack.
  const details = error instanceof Refusal ? error.errors.map(each => `\n  ${each.field}: ${each.message}`) : [];
  console.error(`bastion: ${error.message}${details.join('')}`);
  process.exitCode = 1;
});
