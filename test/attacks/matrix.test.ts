import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { escapeText } from '../../src/doors/soap/canonical.ts';
import { commonNamespace } from '../../src/doors/soap/model.ts';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { serverUrl } from '../kit/database.ts';
import { type Case, formsOf, type Received, Scene, type Sending, Stage } from '../kit/hostile-soap.ts';
import { readAnswer } from '../kit/soap-client.ts';
import { classes, type Row, written } from './report.ts';

/**
 * Every attack of every class against the running server. What the sender is told is held here, byte for byte; what the log
 * says is held by docs/ATTACKS.md, which this run must give: BASTION_WRITE_ATTACKS=1 writes it.
 */

const document = join(import.meta.dirname, '../../docs/ATTACKS.md');

const folders = readdirSync(import.meta.dirname).filter(name => /^[A-Z]-/.test(name));
const casesOf = new Map<string, Case[]>();
for (const folder of folders) {
  const files = readdirSync(join(import.meta.dirname, folder)).filter(file => file.endsWith('.ts'));
  const modules = await Promise.all(files.sort().map(file => import(join(import.meta.dirname, folder, file))));
  casesOf.set(
    folder[0]!,
    modules.flatMap(({ cases = [] }) => cases),
  );
}

/** On a database server of its own only what the store decides is run again: who is trusted, and what came before. */
const letters = Object.keys(classes).filter(letter => serverUrl === undefined || 'GI'.includes(letter));

/** Codes for which the sender is told nothing but that the check failed. */
const silent = ['signature_invalid', 'certificate_invalid', 'timestamp_invalid', 'key_invalid', 'address_not_allowed'];

const failedCheck =
  `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Body><soap:Fault xmlns:wsse="${ns.wsse}"><soap:Code>` +
  '<soap:Value>soap:Sender</soap:Value><soap:Subcode><soap:Value>wsse:FailedCheck</soap:Value></soap:Subcode>' +
  '</soap:Code><soap:Reason><soap:Text xml:lang="en">The message could not be authenticated.</soap:Text></soap:Reason>' +
  '</soap:Fault></soap:Body></soap:Envelope>';

const soapCode: Record<string, string> = { version_mismatch: 'VersionMismatch', must_understand: 'MustUnderstand' };

/** What somebody is told whose message is none that we take, whoever sent it. */
function told(code: string, message: string, requestId: string): string {
  const upgrade =
    '<soap:Header><soap:Upgrade><soap:SupportedEnvelope qname="soap:Envelope"/></soap:Upgrade></soap:Header>';
  return (
    `<soap:Envelope xmlns:soap="${ns.soap}">${code === 'version_mismatch' ? upgrade : ''}<soap:Body>` +
    `<soap:Fault xmlns:c="${commonNamespace}"><soap:Code><soap:Value>soap:${soapCode[code] ?? 'Sender'}</soap:Value>` +
    `<soap:Subcode><soap:Value>c:${code}</soap:Value></soap:Subcode></soap:Code>` +
    `<soap:Reason><soap:Text xml:lang="en">${escapeText(message)}</soap:Text></soap:Reason>` +
    `<soap:Detail><BastionFault xmlns="${commonNamespace}"><error>${code}</error><message>${escapeText(message)}</message>` +
    `<requestId>${requestId}</requestId></BastionFault></soap:Detail></soap:Fault></soap:Body></soap:Envelope>`
  );
}

const nameOfRequest = ({ answer }: Received): string => String(answer.headers['bastion-request-id']);

/** What one message was worth: the code that refused it, and that everything about the refusal was as it should be. */
async function outcomeOf(received: Received, stage: Stage): Promise<Row['outcomes'][number]> {
  const { answer, logged } = received;
  if (logged === undefined) return answeredAsSigned(received, stage);
  const { code, reason } = logged;
  expect(answer.headers).to.include({
    'content-type': 'application/soap+xml; charset=utf-8',
    'cache-control': 'no-store',
  });
  const isProven = answer.text.includes('<ds:Signature ');
  if (isProven) {
    const { fault } = await readAnswer(answer.text, stage.operation, new Date());
    expect(fault).to.include({ code, request_id: nameOfRequest(received) });
  } else {
    const isSilent = silent.includes(code);
    expect(answer.text).to.equal(isSilent ? failedCheck : told(code, reason, nameOfRequest(received)));
  }
  expect(answer.status).to.equal(code === 'version_mismatch' || code === 'must_understand' ? 500 : 400);
  return { code, reason, isProven };
}

/** Answered, and to what the partner signed. */
async function answeredAsSigned({ answer }: Received, stage: Stage): Promise<Row['outcomes'][number]> {
  expect(answer.status, answer.text).to.equal(200);
  const { signed, output } = await readAnswer(answer.text, stage.operation, new Date());
  expect({ signed, org_id: output?.org_id }).to.deep.equal({ signed: true, org_id: stage.kit.tenant.id });
  return { code: 'harmless', reason: '', isProven: true };
}

/** Generous, for slow machines; what they catch is work that grows faster than the message. */
function checkBounds({ work, grown }: Received, { octets }: Sending): void {
  const mebibytes = octets.length / (1024 * 1024);
  expect(work, 'microseconds of work, the sender included').to.be.below(1_000_000 + 1_500_000 * mebibytes);
  expect(grown, 'octets of memory').to.be.below((128 + 64 * mebibytes) * 1024 * 1024);
}

describe('the attack matrix', () => {
  let stage: Stage;
  const rows: Row[] = [];
  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage?.close());

  it('starts from a message that is answered, plain and multipart', async () => {
    for (const form of ['plain', 'multipart'] as const) {
      const [sending] = formsOf(new Scene(stage).valid)[form]!;
      expect((await stage.send(sending!)).answer.status).to.equal(200);
    }
  });

  for (const letter of letters) {
    describe(`${letter}. ${classes[letter]!.title}`, () => {
      for (const { name, verdict, make } of casesOf.get(letter)!) {
        it(`${name}: ${verdict === 'harmless' ? 'harmless' : 'refused'}`, async () => {
          const forms = formsOf(await make(new Scene(stage)));
          // A message of its own, or it would be refused as a replay.
          if (forms.multipart) forms.multipart = formsOf(await make(new Scene(stage))).multipart!;
          const outcomes: Row['outcomes'] = [];
          for (const sending of Object.values(forms).flat()) {
            const received = await stage.send(sending);
            const outcome = await outcomeOf(received, stage);
            expect(outcome.code, `${outcome.reason}\n${answerOf(received)}`).to.be.oneOf(
              verdict === 'harmless' ? ['harmless'] : [...verdict],
            );
            checkBounds(received, sending);
            outcomes.push(outcome);
          }
          rows.push({ letter, name, forms: Object.keys(forms), outcomes });
        });
      }

      after('the server serves on, and none of it was an error of its own', async () => {
        expect((await stage.send({ octets: new Scene(stage).valid })).answer.status).to.equal(200);
        expect(stage.kit.errors).to.deep.equal([]);
      });
    });
  }

  const published = process.env.BASTION_VECTORS && join(process.env.BASTION_VECTORS, 'xml');
  if (published && existsSync(published)) {
    it('refuses every published document of xml-crypto and xmlsec, whatever is right with it elsewhere', async () => {
      const files = readdirSync(published, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.xml'));
      expect(files.length).to.be.above(100);
      for (const file of files) {
        const received = await stage.send({ octets: readFileSync(join(published, file)) });
        const { code } = await outcomeOf(received, stage);
        expect(code, file).to.be.oneOf(['malformed', 'version_mismatch', 'signature_invalid']);
      }
    });
  }

  // A suite of its own, since a suite's own tests run before the suites inside it.
  describe('docs/ATTACKS.md', () => {
    it('says what happened', function () {
      if (letters.length < Object.keys(classes).length) this.skip();
      const text = written(rows);
      if (process.env.BASTION_WRITE_ATTACKS) writeFileSync(document, text);
      expect(readFileSync(document, 'utf8')).to.equal(text);
    });
  });
});

const answerOf = ({ answer }: Received): string => answer.text.slice(0, 600);
