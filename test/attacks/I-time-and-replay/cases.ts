import { harmless, refused, related, replace, type Scene, type Sending, signerOf } from '../../kit/hostile-soap.ts';

const at = (seconds: number): Date => new Date(Date.now() + seconds * 1000);
const created = (seconds = 0): string => `<wsu:Created>${at(seconds).toISOString()}</wsu:Created>`;
const expires = (seconds = 60): string => `<wsu:Expires>${at(seconds).toISOString()}</wsu:Expires>`;
const holding = (content: string) => (s: Scene) =>
  s.sign({ timestamp: `<wsu:Timestamp wsu:Id="TS-1">${content}</wsu:Timestamp>` });
const dated = (text: string) => holding(`<wsu:Created>${text}</wsu:Created>`);

/** The message once it has been answered. */
async function answered(s: Scene, message = s.valid, to = s.stage.kit): Promise<string> {
  const { answer } = await s.stage.send({ octets: message, to });
  if (answer.status !== 200) throw new Error(`it was to be answered first: ${answer.text}`);
  return message;
}

/** The same ECDSA signature with the other of the two values of s that verify. */
function otherHalf(message: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  return message.replace(/(<ds:SignatureValue>)([^<]*)/, (_all, start: string, base64: string) => {
    const octets = Buffer.from(base64, 'base64');
    const other = (order - BigInt(`0x${octets.toString('hex', 32)}`)).toString(16).padStart(64, '0');
    return start + Buffer.concat([octets.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64');
  });
}

export const cases = [
  ...refused('timestamp_invalid', {
    'made more than 300 s ago': s => s.sign({ created: at(-301), expires: null }),
    'made a year ago, expiring in a year': s => s.sign({ created: at(-31_536_000), expires: at(31_536_000) }),
    'made more than 60 s ahead': s => s.sign({ created: at(90), expires: null }),
    'made a year ahead': s => s.sign({ created: at(31_536_000), expires: null }),
    'expired a second ago': s => s.sign({ created: at(-10), expires: at(-1) }),
    'expires before it was made': s => s.sign({ created: at(30), expires: at(20) }),
    'expires when it was made': s => {
      const instant = at(30);
      return s.sign({ created: instant, expires: instant });
    },
    'made five hours ago in a time zone that looks like now': s =>
      s.sign({ created: at(0).toISOString().replace('Z', '+05:00'), expires: null }),
    'long ago, with a fraction of a thousand digits': dated(`2026-07-02T14:03:00.${'1'.repeat(1000)}Z`),
    'made before the common calendar': dated('0001-01-01T00:00:00Z'),
  }),
  ...refused('signature_invalid', {
    'without Created': holding(expires()),
    'with nothing in it': holding(''),
    'with Created twice': holding(created() + created()),
    'with an old and a new Created': holding(created(-3600) + created()),
    'with Expires twice': holding(created() + expires() + expires()),
    'with Expires before Created': holding(expires() + created()),
    'with something else inside': holding(`${created()}<x/>`),
    'with text inside': holding(`${created()}x`),
    'with Created of another namespace': holding(created().replaceAll('wsu:', '')),
    'with an element inside Created': holding(created().replace('>2', '><x/>2')),
    'with a ValueType on Created': holding(created().replace('<wsu:Created', '<wsu:Created ValueType="xsd:date"')),
    'with a word for a time': dated('yesterday'),
    'with the seconds since 1970': dated('1782000000'),
    'with a date alone': dated('2026-07-02'),
    'without a time zone': dated('2026-07-02T14:03:00'),
    'in the Thai calendar': dated('2569-07-02T14:03:00 พ.ศ.'),
    'in Thai digits': dated('๒๐๒๖-07-02T14:03:00Z'),
    'on a day that there is not': dated('2026-02-30T00:00:00Z'),
    'in a year of five digits': dated('12026-07-02T14:03:00Z'),
    'before the year one': dated('-2026-07-02T14:03:00Z'),
    'with an offset of 15 hours': dated('2026-07-02T14:03:00+15:00'),
    'spoofed: Created and Expires written anew': s =>
      s
        .sign({ created: at(-3600), expires: at(-3300) })
        .replace(/<wsu:Created>.*<\/wsu:Expires>/, created() + expires()),
    'spoofed: an old message under a fresh Timestamp of its own': s => {
      const old = s.sign({ created: at(-3600), expires: null });
      const [stale] = /<wsu:Timestamp.*<\/wsu:Timestamp>/.exec(old)!;
      return replace(old, [stale, s.timestamp]);
    },
  }),
  ...refused('replayed', {
    'the same message again': s => answered(s),
    'the same message again as the root of a multipart message': async s => related(await answered(s)),
    'the same message first multipart, then plain': async (s): Promise<Sending> => {
      await s.stage.send(related(s.valid));
      return { octets: s.valid };
    },
    'white space in its SignatureValue': async s => (await answered(s)).replace('<ds:SignatureValue>', '$& '),
    'an unsigned header block put in': async s =>
      replace(await answered(s), ['<wsse:Security', '<x:h xmlns:x="urn:x"/><wsse:Security']),
    'another MessageID that is not signed': async s =>
      replace(await answered(s), [
        '<wsse:Security',
        '<wsa:MessageID xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:2</wsa:MessageID><wsse:Security',
      ]),
    'its ECDSA signature in its other form': async (s): Promise<Sending> => {
      const message = s.sign({}, signerOf(s.stage.kit.set.elliptic));
      return { octets: otherHalf(await answered(s, message)) };
    },
    'its signer named in another way': async (s): Promise<Sending> => {
      const message = await answered(s);
      const keyInfo =
        '<wsse:SecurityTokenReference><wsse:KeyIdentifier ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA256">' +
        `${Buffer.from(s.stage.kit.set.partner.thumbprint, 'hex').toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;
      return {
        octets: message
          .replace(/<wsse:BinarySecurityToken.*<\/wsse:BinarySecurityToken>/, '')
          .replace(/<ds:KeyInfo>.*<\/ds:KeyInfo>/, `<ds:KeyInfo>${keyInfo}</ds:KeyInfo>`),
      };
    },
    'under another key of the same organisation': async (s): Promise<Sending> => ({
      octets: await answered(s),
      headers: { Authorization: `Bearer ${s.stage.secondKey}` },
    }),
    'on another node than the first time': async (s): Promise<Sending> => ({
      octets: await answered(s),
      to: await s.stage.node(),
    }),
    'on this node after another one, which has stopped since': async (s): Promise<Sending> => {
      const node = await s.stage.node();
      const message = await answered(s, s.valid, node);
      await s.stage.stop(node);
      return { octets: message };
    },
    'on a node that was started after the first time': async (s): Promise<Sending> => {
      const message = await answered(s);
      return { octets: message, to: await s.stage.node() };
    },
  }),
  ...harmless({
    'made 290 s ago': s => s.sign({ created: at(-290), expires: null }),
    'made 50 s ahead': s => s.sign({ created: at(50), expires: null }),
    'without Expires': s => s.sign({ expires: null }),
    'in whole seconds and another time zone': s => {
      // Not the same second in both forms, which would be a replay.
      const instant = Date.now() - Math.floor(Math.random() * 200_000);
      return s.sign({ created: `${new Date(instant + 7_200_000).toISOString().slice(0, 19)}+02:00`, expires: null });
    },
  }),
];
