import { expect } from 'chai';
import type { Recipient, RecipientStatus } from '../../../src/areas/secure-email/entities.ts';
import { advance } from '../../../src/areas/secure-email/progress.ts';
import type { OutcomeKind } from '../../../src/mail/deliver.ts';

const createdAt = new Date('2026-07-02T14:03:00Z');
const days = (count: number) => new Date(createdAt.getTime() + count * 86_400_000);

const recipients = (...statuses: RecipientStatus[]): Recipient[] =>
  statuses.map((status, index) => ({ address: `r${index}@y.example`, status, reply: null }));

const outcomes = (...kinds: OutcomeKind[]) =>
  kinds.map((kind, index) => ({ address: `r${index}@y.example`, kind, reply: `${kind} words` }));

function advanced(
  before: Recipient[],
  kinds: OutcomeKind[],
  { attempts = 1, now = createdAt, expiresAt = days(30) } = {},
) {
  const progress = advance({ recipients: before, attempts, createdAt, expiresAt }, outcomes(...kinds), now);
  return { ...progress, each: progress.recipients.map(({ status }) => status) };
}

describe('the progress of a secure mail', () => {
  it('is sent when the relay accepted every copy, with nothing left to try', () => {
    const { status, each, retryAt, news } = advanced(recipients('queued', 'queued'), ['accepted', 'accepted']);
    expect({ status, each, retryAt }).to.deep.equal({
      status: 'sent',
      each: ['delivered', 'delivered'],
      retryAt: undefined,
    });
    expect(news.map(({ type, reply }) => [type, reply])).to.deep.equal([
      ['delivered', 'accepted words'],
      ['delivered', 'accepted words'],
    ]);
  });

  it('stays queued while one copy is deferred, and retries that one alone', () => {
    const first = advanced(recipients('queued', 'queued'), ['accepted', 'deferred']);
    expect([first.status, first.each]).to.deep.equal(['queued', ['delivered', 'deferred']]);
    expect(first.retryAt).to.deep.equal(new Date(createdAt.getTime() + 15_000));
    const second = advanced(first.recipients, ['refused', 'accepted'], { attempts: 2 });
    expect([second.status, second.each]).to.deep.equal(['sent', ['delivered', 'delivered']]);
    expect(second.news).to.have.length(1);
  });

  it('is failed when every copy was refused', () => {
    const { status, retryAt } = advanced(recipients('queued'), ['refused']);
    expect({ status, retryAt }).to.deep.equal({ status: 'failed', retryAt: undefined });
  });

  it('is uncertain after a lost reply, and tried again', () => {
    const { status, retryAt } = advanced(recipients('queued'), ['uncertain']);
    expect(status).to.equal('uncertain');
    expect(retryAt).to.be.instanceOf(Date);
  });

  it('stays uncertain when the attempt after a lost reply is only put off', () => {
    expect(advanced(recipients('uncertain'), ['deferred'], { attempts: 2 }).status).to.equal('uncertain');
  });

  it('is sent when the attempt after a lost reply is accepted', () => {
    expect(advanced(recipients('uncertain'), ['accepted'], { attempts: 2 }).status).to.equal('sent');
  });

  it('waits longer after each attempt, at most four hours', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 30].map(attempts => {
      const { retryAt } = advanced(recipients('queued'), ['deferred'], { attempts });
      return (retryAt!.getTime() - createdAt.getTime()) / 1000;
    });
    expect(waits).to.deep.equal([15, 60, 300, 900, 1800, 3600, 7200, 14_400, 14_400]);
  });

  it('gives up a deferred mail after five days, and fails it', () => {
    const { status, retryAt, news } = advanced(recipients('queued'), ['deferred'], { attempts: 30, now: days(4.9) });
    expect({ status, retryAt, type: news[0]!.type }).to.deep.equal({
      status: 'failed',
      retryAt: undefined,
      type: 'failed',
    });
  });

  it('gives up a mail that would expire before the next attempt', () => {
    const expiresAt = new Date(createdAt.getTime() + 15_000);
    expect(advanced(recipients('queued'), ['deferred'], { expiresAt }).status).to.equal('failed');
  });

  it('leaves a copy uncertain for good when its time ran out without an answer', () => {
    const { status, retryAt } = advanced(recipients('uncertain'), ['uncertain'], { attempts: 30, now: days(4.9) });
    expect({ status, retryAt }).to.deep.equal({ status: 'uncertain', retryAt: undefined });
  });
});
