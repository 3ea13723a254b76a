import { expect } from 'chai';
import { parseDateTime } from '../../../src/doors/soap/timestamp.ts';
import { verifyEnvelope } from '../../../src/doors/soap/verify.ts';
import { refusalFrom } from '../../kit/refusal.ts';
import {
  areaNamespace,
  type EnvelopeOptions,
  newPartner,
  type Partner,
  signedEnvelope,
} from '../../kit/soap-signing.ts';

describe('xsd:dateTime', () => {
  const instants: Record<string, string> = {
    '2026-07-02T14:03:00Z': '2026-07-02T14:03:00.000Z',
    '2026-07-02T14:03:00.5Z': '2026-07-02T14:03:00.500Z',
    '2026-07-02T14:03:00.123456789Z': '2026-07-02T14:03:00.123Z',
    '2026-07-02T16:03:00+02:00': '2026-07-02T14:03:00.000Z',
    '2026-07-02T09:33:00.25-04:30': '2026-07-02T14:03:00.250Z',
    '2028-02-29T23:59:59-00:00': '2028-02-29T23:59:59.000Z',
    '2026-07-02T14:03:00.0000000000000000000000000001Z': '2026-07-02T14:03:00.000Z',
    '2026-07-02T24:00:00Z': '2026-07-03T00:00:00.000Z',
    '2026-12-31T24:00:00.000+01:00': '2026-12-31T23:00:00.000Z',
    '2026-01-01T00:30:00+01:00': '2025-12-31T23:30:00.000Z',
  };
  for (const [text, instant] of Object.entries(instants)) {
    it(`is read from ${text}`, () => expect(parseDateTime(text)?.toISOString()).to.equal(instant));
  }

  const refused = [
    '',
    '2026-07-02',
    '2026-07-02T14:03:00',
    '2026-07-02T14:03Z',
    '2026-07-02 14:03:00Z',
    '2026-07-02T14:03:00z',
    '2026-07-02T14:03:00.Z',
    '2026-07-02T14:03:00+2:00',
    '2026-07-02T14:03:00+15:00',
    '2026-07-02T14:03:00+01:60',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-07-02T24:00:01Z',
    '2026-07-02T24:00:00.1Z',
    '2026-02-29T24:00:00Z',
    '2026-07-02T24:00:00',
    '2026-07-02T23:59:60Z',
    '-2026-07-02T14:03:00Z',
    '12026-07-02T14:03:00Z',
    '2569-07-02T14:03:00 พ.ศ.',
    '๒๐๒๖-07-02T14:03:00Z',
    '1782000000',
  ];
  for (const text of refused) it(`is not "${text}"`, () => expect(parseDateTime(text)).to.equal(undefined));
});

describe('the Timestamp of a message', () => {
  const now = new Date('2026-07-02T14:03:00.000Z');
  const at = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
  let partner: Partner;
  before(async () => {
    partner = await newPartner();
  });

  const verify = (options: EnvelopeOptions) =>
    verifyEnvelope(
      { octets: Buffer.from(signedEnvelope(partner, options)), charset: undefined },
      { receivedAt: now, contextNamespace: areaNamespace, resolve: async () => partner },
    );

  const accepted: Record<string, EnvelopeOptions> = {
    'made now': { created: now, expires: null },
    'made 300 s ago': { created: at(-300), expires: null },
    'made 60 s ahead': { created: at(60), expires: null },
    'that expires in a second': { created: at(-299), expires: at(1) },
    'that expires in a year': { created: now, expires: at(31_536_000) },
    'in another time zone and in whole seconds': { created: '2026-07-02T16:03:00+02:00', expires: null },
    'with white space around the time': { created: ' 2026-07-02T14:03:00Z\n', expires: null },
  };
  for (const [what, options] of Object.entries(accepted)) {
    it(`is accepted ${what}`, async () => expect((await verify(options)).operation.local).to.equal('GetOrganization'));
  }

  const stale: Record<string, EnvelopeOptions> = {
    'made more than 300 s ago': { created: at(-300.001), expires: null },
    'made more than 60 s ahead': { created: at(60.001), expires: null },
    'that has expired': { created: at(-10), expires: at(-1) },
    'that expires this instant': { created: at(-10), expires: now },
    'that expires before it was made': { created: at(30), expires: at(20) },
    'that expires when it was made': { created: at(30), expires: at(30) },
  };
  for (const [what, options] of Object.entries(stale)) {
    it(`is refused ${what}`, async () => {
      expect((await refusalFrom(verify(options))).code).to.equal('timestamp_invalid');
    });
  }

  const created = `<wsu:Created>${now.toISOString()}</wsu:Created>`;
  const expires = `<wsu:Expires>${at(60).toISOString()}</wsu:Expires>`;
  const misshapen: Record<string, string> = {
    'without Created': expires,
    'with nothing': '',
    'with Created twice': created + created,
    'with Expires twice': created + expires + expires,
    'with Expires before Created': expires + created,
    'with something else inside': `${created}<x/>`,
    'with text inside': `${created}x`,
    'with Created in another namespace': created.replaceAll('wsu:', ''),
    'with an element inside Created': created.replace('2026', '<x/>2026'),
    'with a ValueType': created.replace('<wsu:Created', '<wsu:Created ValueType="xsd:date"'),
    'with a time that is none': '<wsu:Created>yesterday</wsu:Created>',
    'with an Expires that is none': `${created}<wsu:Expires>never</wsu:Expires>`,
  };
  for (const [what, content] of Object.entries(misshapen)) {
    it(`is refused ${what}`, async () => {
      const timestamp = `<wsu:Timestamp wsu:Id="TS-1">${content}</wsu:Timestamp>`;
      expect((await refusalFrom(verify({ timestamp }))).code).to.equal('signature_invalid');
    });
  }
});
